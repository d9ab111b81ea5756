// A modal dialog of the browser's own: it keeps the focus, closes with Esc, and gives the focus back.
import { html, useEffect, useRef } from "../ui.js";
import { Icon } from "./icon.js";

export function Dialog({ open, onClose, title, wide, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const element = dialog.current;
    if (open && !element.open) {
      element.showModal();
      element.querySelector("input, select, textarea")?.focus();
    }
    if (!open && element.open) element.close();
  }, [open]);
  const outside = (event) => event.target === dialog.current && onClose();
  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""} aria-label=${title} onClose=${onClose} onClick=${outside}>
    ${open &&
    html`<div class="sheet">
      <header><h2>${title}</h2>
        <button class="quiet only" onClick=${onClose} aria-label="Close"><${Icon} name="close" /></button>
      </header>
      ${children}
    </div>`}
  </dialog>`;
}
