// What the keyboard does, on this view and everywhere.
import { knownKeys } from "../keys.js";
import { html, signal } from "../ui.js";
import { Dialog } from "./dialog.js";

export const helpOpen = signal(false);

const ALWAYS = [
  ["Enter", "open the row that has the focus"],
  ["Esc", "close, or leave the field"],
];

export function Help() {
  const keys = helpOpen.value ? [...knownKeys(), ...ALWAYS] : [];
  return html`<${Dialog} title="Keys" open=${helpOpen.value} onClose=${() => (helpOpen.value = false)}>
    <dl class="keys">
      ${keys.map(([key, said]) => html`<div key=${key}>
        <dt>${key.split(" ").map((one) => html`<kbd>${one}</kbd>`)}</dt>
        <dd>${said}</dd>
      </div>`)}
    </dl>
  <//>`;
}
