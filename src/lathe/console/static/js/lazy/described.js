// What a view says until the description of a subject is there, or if there is none.
import { Trouble } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { Waiting } from "../parts/shell.js";
import { html } from "../ui.js";

/** `children(description)`, once there is one to show. */
export function Described({ subject, children }) {
  const { description, descriptionProblem } = subject;
  if (descriptionProblem) return html`<${Trouble} problem=${descriptionProblem} />`;
  if (!description) return html`<${Waiting} />`;
  if (!description.graph) return html`<p class="notice"><${Icon} name="info" /> Nothing can be drawn: ${description.why ?? "the files cannot be read"}.</p>`;
  return children(description);
}
