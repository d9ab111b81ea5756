// Signing in: a token is shown once and becomes a session, in a cookie that no script can read.
import { ask } from "../api.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { Trouble } from "./bits.js";
import { Call } from "./call.js";
import { Icon } from "./icon.js";

export function SignIn() {
  const field = useRef(null);
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => field.current?.focus(), []);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await ask("POST", "/session", { body: { token: token.trim() } });
      // Everything is asked anew, as whoever this is: nothing of anybody else is left in the page.
      location.reload();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return html`<section class="sign-in card" aria-labelledby="sign-in-title">
    <h1 id="sign-in-title"><${Icon} name="lock" /> Sign in</h1>
    <p class="muted">With a token that somebody made for you. The session is a part of it: it ends with it, after twelve hours, or when you sign out.</p>
    <form class="act" onSubmit=${send}>
      <div class="field"><label for="sign-in-token">Token</label>
        <input ref=${field} id="sign-in-token" type="password" value=${token} onInput=${(event) => setToken(event.target.value)}
          placeholder="lathe_…" required autocomplete="current-password" spellcheck=${false} />
      </div>
      <${Trouble} problem=${problem} />
      <div class="buttons"><button type="submit" class="primary" disabled=${busy || !token.trim()}>Sign in</button></div>
      <${Call} method="POST" path="/session" body=${{ token: "…" }} command="LATHE_TOKEN=… lathe token me" />
    </form>
  </section>`;
}

/** End the session, and everything that it showed. */
export async function signOut() {
  try {
    await ask("DELETE", "/session");
  } finally {
    location.assign("/console/");
  }
}
