// What a button or a page asks, as an API call and as a command: to be copied, and understood.
import { html, signal, useState } from "../ui.js";
import { Icon } from "./icon.js";

/** A word of a shell command: quoted unless it needs no quotes. */
export const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${String(word).replaceAll("'", `'\\''`)}'`);

/** The `curl` line of a request to this server. */
export function curl({ method, path, body, headers = {} }) {
  const words = ["curl"];
  if (method !== "GET") words.push("-X", method);
  words.push(quoted(location.origin + path));
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (body !== undefined) words.push("-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(body)));
  return words.join(" ");
}

/** Say something to whoever listens to the page instead of looking at it. */
export const said = signal("");

export function Copy({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    said.value = "Copied";
    setTimeout(() => setDone(false), 1_500);
  };
  return html`<button type="button" class="quiet small" onClick=${copy}><${Icon} name=${done ? "done" : "copy"} />${done ? "Copied" : label}</button>`;
}

/** The disclosure beside a button: its call, and its command where there is one. */
export function Call({ method = "GET", path, body, headers, command, open }) {
  const line = curl({ method, path, body, headers });
  return html`<details class="call" open=${open}>
    <summary><${Icon} name="code" />${method} <code><bdi>${path}</bdi></code></summary>
    <div class="ways">
      <div><p class="way-of">API</p><pre tabindex="0">${line}</pre><${Copy} text=${line} /></div>
      ${command && html`<div><p class="way-of">Command line</p><pre tabindex="0">${command}</pre><${Copy} text=${command} /></div>`}
    </div>
  </details>`;
}
