// Events over the last minutes as bars: how much happens, without a chart library.
import { recent } from "../events.js";
import { now } from "../now.js";
import { html } from "../ui.js";

const WIDTH_MS = 10_000;
const BARS = 30;

/** Events in each of the last 30 spans of ten seconds, oldest first. */
export function rates(events, until) {
  const counts = new Array(BARS).fill(0);
  const end = Math.ceil(until / WIDTH_MS) * WIDTH_MS;
  for (const { time } of events) {
    const at = BARS - 1 - Math.floor((end - 1 - Date.parse(time)) / WIDTH_MS);
    if (at >= 0 && at < BARS) counts[at] += 1;
  }
  return counts;
}

export function Spark() {
  const counts = rates(recent.value, now.value);
  const most = Math.max(...counts, 4);
  return html`<svg class="spark" viewBox="0 0 ${BARS * 4} 24" preserveAspectRatio="none" role="img"
    aria-label=${`Events in each ten seconds of the last five minutes, at most ${Math.max(...counts)}`}>
    ${counts.map((n, i) => html`<rect key=${i} x=${i * 4} width="3" y=${24 - Math.max(1, (n / most) * 24)} height=${Math.max(1, (n / most) * 24)} class=${n ? "some" : ""} />`)}
  </svg>`;
}
