// Signing in: a token is shown once and becomes a session, in a cookie that no script can read.
import { ask, get } from "../api.js";
import { query } from "../router.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { Trouble } from "./bits.js";
import { Call } from "./call.js";
import { Icon } from "./icon.js";

/** What a sign-in by an issuer ended with: our codes, then those of RFC 6749 and OpenID Connect. */
const ENDS = {
  state: "This sign-in was begun elsewhere, took more than ten minutes, or is over. Begin it anew.",
  issuer: "The answer came from another issuer than the one that was asked.",
  code: "The issuer did not say who signed in.",
  token: "What the issuer says does not make anybody known here. The server's log says why.",
  unavailable: "The issuer cannot be asked at the moment. The server's log says why.",
  "LR409.exclusive": "You hold roles there that nobody may hold together here.",
  access_denied: "The issuer was told not to sign anybody in.",
};

/** The address without what a sign-in ended with. */
function here() {
  const params = new URLSearchParams(query.value);
  params.delete("sign_in");
  params.delete("issuer");
  return location.pathname + (params.size ? `?${params}` : "");
}

function Ended() {
  const code = query.value.get("sign_in");
  if (!code) return null;
  const known = Object.hasOwn(ENDS, code);
  return html`<div class="notice bad" role="alert">
    <p><${Icon} name="warn" /><strong>Not signed in</strong> <bdi>${known ? ENDS[code] : `The sign-in ended with ${code.slice(0, 40)}.`}</bdi></p>
  </div>`;
}

/** A way in by each issuer that the operator named. */
function Issuers() {
  const [names, setNames] = useState([]);
  useEffect(() => {
    get("/session/oidc").then(({ items }) => setNames(items.map(({ name }) => name)), () => setNames([]));
  }, []);
  if (!names.length) return null;
  return html`<div class="issuers">
    ${names.map((name) => html`<a key=${name} class="button" href=${`/session/oidc/start?${new URLSearchParams({ issuer: name, next: here() })}`}>Sign in with <bdi>${name}</bdi></a>`)}
    <p class="muted">or</p>
  </div>`;
}

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
    <${Ended} />
    <${Issuers} />
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
  let next = "/console/";
  try {
    const { data } = await ask("DELETE", "/session");
    next = data?.next ?? next; // to the issuer, which sends the browser back
  } finally {
    location.assign(next);
  }
}
