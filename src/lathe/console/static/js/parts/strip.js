// The way through the states: each visit with how long it lasted, the current one last.
import { duration } from "../format.js";
import { visitsOf } from "../history.js";
import { kindIn } from "../model.js";
import { html, useEffect, useRef } from "../ui.js";
import { State } from "./bits.js";
import { Icon } from "./icon.js";

export function Strip({ events, model, now }) {
  const list = useRef(null);
  const visits = visitsOf(events);
  useEffect(() => {
    list.current?.scrollTo({ left: list.current.scrollWidth });
  }, [visits.length]);
  return html`<ol class="strip" ref=${list} tabindex="0" aria-label="States, in order">
    ${visits.map(({ state, from, to }, i) => {
      const isLast = i === visits.length - 1;
      const kind = kindIn(model, state);
      return html`<li key=${i} aria-current=${isLast ? "step" : undefined}>
        ${i > 0 && html`<${Icon} name="right" />`}
        <${State} name=${state} kind=${kind} />
        ${!(isLast && kind === "final") && html`<span class="lasted">${duration((to ?? now) - from)}${isLast ? " so far" : ""}</span>`}
      </li>`;
    })}
  </ol>`;
}
