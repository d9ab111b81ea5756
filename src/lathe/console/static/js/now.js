// The time, as far as the screen needs it: it moves while something young is shown, and rests else.
import { signal } from "./ui.js";

export const now = signal(Date.now());

/** Move on every second for `forMs`, then every twenty; nothing moves while the tab is hidden. */
let quickUntil = 0;
export function young(forMs = 60_000) {
  quickUntil = Math.max(quickUntil, Date.now() + forMs);
}

let beats = 0;
setInterval(() => {
  if (document.hidden) return;
  beats += 1;
  if (Date.now() < quickUntil || beats % 20 === 0) now.value = Date.now();
}, 1_000);
document.addEventListener("visibilitychange", () => !document.hidden && (now.value = Date.now()));
