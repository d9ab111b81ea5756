// The live counts of a blueprint: one bar of all its states, and each state with its number.
import { number } from "../format.js";
import { to } from "../router.js";
import { html } from "../ui.js";
import { State } from "./bits.js";

/** How many, all states together; `live` leaves out those that are over. */
export const total = (states, live = false) =>
  states.reduce((sum, one) => sum + (live && one.kind === "final" ? 0 : one.count), 0);

/** The share of each state as a bar; it repeats what the numbers below say. */
export function Bar({ states }) {
  const all = total(states);
  if (!all) return html`<div class="bar none" aria-hidden="true"></div>`;
  return html`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
    ${segments(states, all).map(({ state, kind, x, width }) => html`<rect key=${state} class=${kind} x=${x} y="0" width=${width} height="10" />`)}
  </svg>`;
}

/** Where each segment stands on a bar of 1000, a gap of 3 between; a state with any has at least 6. */
function segments(states, all) {
  const some = states.filter(({ count }) => count > 0);
  const room = 1_000 - 3 * (some.length - 1);
  const widths = some.map(({ count }) => Math.max(6, (count / all) * room));
  const scale = room / widths.reduce((sum, width) => sum + width, 0);
  let x = 0;
  return some.map(({ state, kind }, i) => {
    const one = { state, kind, x, width: widths[i] * scale };
    x += one.width + 3;
    return one;
  });
}

/** Each state with its count, as a link to its entities. */
export const Counts = ({ app, plural, states }) => html`<ul class="counts">
  ${states.map((one) => html`<li key=${one.state} class=${one.count ? "" : "zero"}>
    <a href=${to("apps", app, "entities", plural, { state: one.state })} title=${one.waits ?? undefined}>
      <${State} name=${one.state} kind=${one.kind} /><span class="n">${number(one.count)}</span>
    </a>
  </li>`)}
</ul>`;
