// An app as a card, what of it is overdue, and what of it went wrong.
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

/** Properties that were false on a live step: of whom, and first after what, when. */
export function Alerts({ items }) {
  if (!items.length) return null;
  return html`<${Card} title="Alerts" flush class="card flush alarming">
    <ul class="rows">
      ${items.slice(0, 8).map((one) => html`<li key=${one.entity + one.name} data-row>
        <${EntityLink} app=${one.app} plural=${one.plural} id=${one.entity} />
        <span class="grow" title=${one.said}><bdi>${one.name}</bdi> is false since ${one.action && html`<bdi>${one.action}</bdi>, `}version ${number(one.version)}</span>
        <span class="late"><${When} at=${one.at} /></span>
      </li>`)}
    </ul>
    ${items.length > 8 && html`<p class="more">and ${number(items.length - 8)} more</p>`}
  <//>`;
}
