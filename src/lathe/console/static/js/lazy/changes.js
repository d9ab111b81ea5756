// What a version means that another does not: what promises less first, then what clients may notice, then the rest.
import { at, useGet } from "../api.js";
import { plural } from "../format.js";
import { Card } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { ask, query } from "../router.js";
import { html, useMemo } from "../ui.js";
import { Graph, Legend, MARKS } from "./graph.js";
import { shortDigest } from "./subjects.js";
import { Described } from "./described.js";
import { paired, union } from "./union.js";
import { Prose } from "../parts/prose.js";

const GROUPS = [
  ["Promises less, or allows more", (one) => one.weaker],
  ["Clients may notice", (one) => one.breaking && !one.weaker],
  ["The rest", (one) => !one.breaking && !one.weaker],
];

export function Changes({ subject }) {
  return html`<div class="changes"><${Against} subject=${subject} />
    <${Described} subject=${subject}>${({ diff, graph }) => (diff ? html`<${Differences} diff=${diff} graph=${graph} />` : html`<p class="notice">This is what runs: there is nothing to compare it with. Choose an earlier version above.</p>`)}<//>
  </div>`;
}

/** Which version it is compared with. */
function Against({ subject }) {
  const { data } = useGet(subject.app && at("blueprints", subject.app));
  if (!data || subject.kind === "check") return null;
  const chosen = query.value.get("against") ?? "";
  const others = [...new Map(data.items.map((one) => [one.digest, one])).values()].filter(({ digest }) => digest !== subject.digest);
  if (!others.length) return null;
  return html`<p class="against"><label for="against">Compared with</label>
    <select id="against" value=${chosen} onChange=${(event) => ask({ against: event.target.value })}>
      ${subject.digest !== data.digest && html`<option value="">the version in force</option>`}
      ${subject.digest === data.digest && html`<option value="">choose a version</option>`}
      ${others.map((one) => html`<option key=${one.digest} value=${one.digest}>${shortDigest(one.digest)} of ${one.at.slice(0, 16).replace("T", " ")}${one.note ? `: ${one.note}` : ""}</option>`)}
    </select></p>`;
}

export function Differences({ diff, graph }) {
  const groups = GROUPS.map(([title, is]) => [title, diff.changes.filter(is)]).filter(([, all]) => all.length);
  const drawn = useMemo(() => paired(diff.graph, graph).map(({ before, after }) => union(before, after)), [diff, graph]);
  if (!groups.length) return html`<p class="notice good"><${Icon} name="done" />They mean the same.</p>`;
  return html`<div>
    <p class=${diff.breaking ? "summary bad" : "summary"}>${plural(diff.changes.length, "change")}; ${diff.breaking ? `clients may notice ${plural(diff.changes.filter((one) => one.breaking).length, "of them", "of them")}` : "compatible for clients"}</p>
    ${groups.map(([title, all]) => html`<${Card} key=${title} title=${title} flush><ul class="rows differences">${all.map((one) => html`<${Change} key=${one.path} one=${one} />`)}</ul><//>`)}
    ${diff.migrate.length > 0 && html`<${Card} title=${html`<code>[migrate]</code> may have to say`}><dl class="facts">${diff.migrate.map((one) => html`<div key=${one.path}><dt><bdi>${one.path}</bdi></dt><dd><${Prose} text=${one.help} /></dd></div>`)}</dl><//>`}
    ${drawn.map((blueprint) => html`<${Card} key=${blueprint.name} title=${blueprint.name} aside=${html`<${Legend} />`}><${Graph} blueprint=${blueprint} /><//>`)}
  </div>`;
}

export const Change = ({ one }) => html`<li class=${one.what} data-row>
  <span class="sign" title=${one.what}>${MARKS[one.what]}<span class="sr">${one.what}</span></span>
  <span class="path"><bdi>${one.path}</bdi></span>
  <span class="grow texts">${one.was && html`<del><bdi>${one.was}</bdi></del>`}${one.was && one.now && html`<${Icon} name="arrow" />`}${one.now && html`<ins><bdi>${one.now}</bdi></ins>`}</span>
  ${one.breaking && html`<span class="flag">clients may notice</span>`}
</li>`;
