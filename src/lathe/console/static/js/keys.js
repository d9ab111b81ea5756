// The keyboard: single keys that do not get in the way of typing, and rows that j and k walk through.
import { useLayoutEffect } from "./ui.js";

const layers = [];

/** Keys of a part while it is shown: `{key: {does, said}}`. The newest part that knows a key has it. */
export function useKeys(keys, deps = []) {
  // Before it is painted: what can be seen can be reached by its keys.
  useLayoutEffect(() => {
    layers.push(keys);
    return () => layers.splice(layers.indexOf(keys), 1);
  }, deps);
}

/** Every key that means something now, with what it does. */
export function knownKeys() {
  const found = new Map();
  for (const layer of layers) {
    for (const [key, { said }] of Object.entries(layer)) if (said) found.set(key, said);
  }
  return [...found];
}

const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]");

let before = "";
let beforeAt = 0;

addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) && event.key !== "Escape") return;
  if (document.querySelector("dialog[open]") && event.key !== "Escape") return;
  const both = Date.now() - beforeAt < 900 ? `${before} ${event.key}` : "";
  for (const key of [both, event.key]) {
    const layer = layers.findLast((one) => key && one[key]);
    if (layer) {
      // A button that has the focus keeps Enter and the space bar to itself.
      if ((key === "Enter" || key === " ") && event.target.closest?.("button, a, summary")) return;
      if (layer[key].does(event) !== false) event.preventDefault();
      before = "";
      return;
    }
  }
  before = event.key;
  beforeAt = Date.now();
});

/** j and k go through what `selector` finds on the page; Enter follows the one that has the focus. */
export function step(selector, by) {
  const rows = [...document.querySelectorAll(selector)];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  const target = next.matches("a, button") ? next : (next.querySelector("a, button") ?? next);
  target.focus();
  next.scrollIntoView({ block: "nearest" });
}
