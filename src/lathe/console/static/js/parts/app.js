// An app as a card, and what of it is overdue.
import { number } from "../format.js";
import { to } from "../router.js";
import { html } from "../ui.js";
import { Card, EntityLink, When } from "./bits.js";
import { Bar, Counts, total } from "./states.js";

export const AppCard = ({ item }) => html`<section class="card app" aria-label=${item.app}>
  <header>
    <h2><a href=${to("apps", item.app)}><bdi>${item.app}</bdi></a></h2>
    <div class="aside"><code class="digest" title=${item.digest}>${item.digest.slice(7, 19)}</code></div>
  </header>
  ${item.doc && html`<p class="about"><bdi>${item.doc}</bdi></p>`}
  ${item.blueprints.map((one) => html`<div key=${one.plural} class="blueprint" data-row>
    <div class="line">
      <a href=${to("apps", item.app, "entities", one.plural)}><bdi>${one.plural}</bdi></a>
      <span class="n">${one.counted === "some" ? "of the newest: " : ""}${number(total(one.states))}</span>
    </div>
    <${Bar} states=${one.states} />
    <${Counts} app=${item.app} plural=${one.plural} states=${one.states} />
  </div>`)}
</section>`;

export function Overdue({ items }) {
  if (!items.length) return null;
  return html`<${Card} title="Overdue" flush class="card flush alarming">
    <ul class="rows">
      ${items.slice(0, 8).map((one) => html`<li key=${one.entity + one.name} data-row>
        <${EntityLink} app=${one.app} plural=${one.plural} id=${one.entity} />
        <span class="grow"><bdi>${one.name || `timer of ${one.state}`}</bdi></span>
        <span class="late">due <${When} at=${one.due} /></span>
      </li>`)}
    </ul>
    ${items.length > 8 && html`<p class="more">and ${number(items.length - 8)} more</p>`}
  <//>`;
}
