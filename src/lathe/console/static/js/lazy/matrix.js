// Who may do what: actions down, callers across, and what is different from another version.
import { classes, html } from "../ui.js";
import { Icon } from "../parts/icon.js";
import { Prose } from "../parts/prose.js";

const SAID = {
  yes: "may, where it is possible",
  if: "only if a condition about the caller holds",
  policy: "the policies decide, by entity, arguments or who asks",
  "–": "may not",
};
const ICONS = { yes: "done", if: "scales", policy: "ledger" };

const cellOf = (matrix, action, column) => {
  const row = matrix?.rows.find((one) => one.action === action);
  const at = matrix?.columns.indexOf(column) ?? -1;
  return row && at >= 0 ? row.cells[at] : undefined;
};

/** One blueprint's matrix; with `before`, cells that say otherwise than it are marked. */
export function Matrix({ matrix, before }) {
  const noted = matrix.rows.filter((row) => row.if || row.policies);
  return html`<div class="matrix">
    <div class="scroll" tabindex="0" role="group" aria-label=${`Who may do what with ${matrix.blueprint}`}><table>
      <thead><tr><th scope="col"><span class="sr">action</span></th>
        ${matrix.columns.map((who) => html`<th key=${who} scope="col"><bdi>${who}</bdi></th>`)}</tr></thead>
      <tbody>${matrix.rows.map((row) => html`<tr key=${row.action}>
        <th scope="row"><bdi>${row.action}</bdi></th>
        ${row.cells.map((cell, i) => html`<${Cell} key=${i} cell=${cell} was=${before && (cellOf(before, row.action, matrix.columns[i]) ?? "–")} />`)}
      </tr>`)}</tbody>
    </table></div>
    ${noted.length > 0 && html`<dl class="conditions">
      ${noted.map((row) => html`<div key=${row.action}><dt><bdi>${row.action}</bdi></dt>
        <dd>${row.if && html`only if <code><bdi>${row.if}</bdi></code>`}${row.policies && html` <${Prose} text=${row.policies.join(", ")} />`}</dd></div>`)}
    </dl>`}
  </div>`;
}

function Cell({ cell, was }) {
  const changed = was !== undefined && was !== cell;
  const wider = changed && (was === "–" || (was !== "yes" && cell === "yes"));
  const title = SAID[cell] + (changed ? `; before: ${was === "–" ? "might not" : was}` : "");
  return html`<td class=${classes("cell", cell === "–" ? "no" : cell, changed && "changed", wider && "wider")} title=${title}>
    ${cell === "–" ? html`<span aria-label="no">–</span>` : html`<${Icon} name=${ICONS[cell] ?? "info"} /><span>${cell}</span>`}
    ${changed && html`<span class="was">was ${was === "–" ? "no" : was}</span>`}
  </td>`;
}
