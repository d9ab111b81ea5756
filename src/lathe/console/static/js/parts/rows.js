// A table of any length: only the rows in sight are elements, the next page is asked for before its turn.
import { classes, html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";

export const ROW_HEIGHT = 33;
/** Rows beyond what is in sight: those that come next as it scrolls, and those that have just gone. */
const BEFORE = 12;
const BEHIND = 3;
const AHEAD = 400;

/**
 * Rows in a scrolling frame. `columns` are `{name, label, of(row), number, wide}`; `more()` asks for the next page
 * while `hasMore`; `total` is how many there are at all, if that is known.
 */
export function Rows({ label, columns, rows, keyOf, classOf, hasMore, more, total, foot }) {
  const frame = useRef(null);
  const [sight, setSight] = useState({ top: 0, height: 600, isUp: false });
  useLayoutEffect(() => {
    const element = frame.current;
    const look = () => {
      const { scrollTop: top, clientHeight: height } = element;
      setSight((before) => (before.top === top && before.height === height ? before : { top, height, isUp: top < before.top }));
    };
    const sized = new ResizeObserver(look);
    sized.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => (sized.disconnect(), element.removeEventListener("scroll", look));
  }, []);
  const first = Math.max(0, Math.floor(sight.top / ROW_HEIGHT) - (sight.isUp ? BEFORE : BEHIND));
  const last = Math.min(rows.length, Math.ceil((sight.top + sight.height) / ROW_HEIGHT) + (sight.isUp ? BEHIND : BEFORE));
  useEffect(() => {
    if (hasMore && last + AHEAD > rows.length) more();
  }, [hasMore, last, rows.length]);
  return html`<div class="frame" ref=${frame} tabindex="0" role="region" aria-label=${label}>
    <table class="virtual" aria-rowcount=${total ?? (hasMore ? -1 : rows.length + 1)}>
      <thead><tr aria-rowindex="1">
        ${columns.map((column) => html`<th key=${column.name} scope="col" class=${classes(column.number && "number")}
          aria-sort=${column.sorted}>${column.head ?? column.label}</th>`)}
      </tr></thead>
      <tbody>
        ${first > 0 && html`<tr key="above" class="space" aria-hidden="true"><td colspan=${columns.length} style=${{ height: `${first * ROW_HEIGHT}px` }}></td></tr>`}
        ${rows.slice(first, last).map((row, i) => html`<tr key=${keyOf(row)} data-row aria-rowindex=${first + i + 2} class=${classOf?.(row)}>
          ${columns.map((column) => html`<td key=${column.name} class=${classes(column.number && "number", column.wide && "wide")}>${column.of(row)}</td>`)}
        </tr>`)}
        ${last < rows.length && html`<tr key="below" class="space" aria-hidden="true"><td colspan=${columns.length} style=${{ height: `${(rows.length - last) * ROW_HEIGHT}px` }}></td></tr>`}
      </tbody>
    </table>
    ${foot}
  </div>`;
}
