// Who may do what, as blueprints and policies say it together.
import { Card } from "../parts/bits.js";
import { html } from "../ui.js";
import { Matrix } from "./matrix.js";
import { Described } from "./described.js";

export const Permissions = ({ subject }) => html`<${Described} subject=${subject}>${({ permissions, diff, why }) => html`<div>
  ${why && html`<p class="notice">${why}</p>`}
  ${diff && html`<p class="muted legend-line">Cells that say otherwise than the version before are marked.</p>`}
  ${permissions.map((matrix) => html`<${Card} key=${matrix.blueprint} title=${matrix.blueprint} flush>
    <${Matrix} matrix=${matrix} before=${diff?.permissions?.find((one) => one.blueprint === matrix.blueprint)} /><//>`)}
  <p class="muted">A condition about the entity alone is not shown here: the guard of an action says it.</p>
</div>`}<//>`;
