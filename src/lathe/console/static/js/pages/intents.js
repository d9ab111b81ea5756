// What users wished for: refusals counted by shape, each a change of the blueprint that would allow it.
import { useGet } from "../api.js";
import { useFresh } from "../events.js";
import { number } from "../format.js";
import { apps } from "../places.js";
import { Card, Empty, EntityLink, Head, Trouble } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Prose } from "../parts/prose.js";
import { Waiting } from "../parts/shell.js";
import { to } from "../router.js";
import { html } from "../ui.js";

const SAID = {
  denied: "the caller may not",
  state: "not possible in this state",
  guard: "its guard is false",
  action: "there is no such action",
  unique: "the value is held by another",
  range: "a value would leave its range",
  joint: "what is taken with it refuses",
};

export default function Intents({ app }) {
  const fresh = useFresh((event) => event.app === app, 4_000);
  const path = `/v1/intents?app=${encodeURIComponent(app)}`;
  const { data, problem, reload } = useGet(path, fresh);
  return html`<div>
    <${Head} title="Intents" crumbs=${[[app, to("apps", app)]]}
      about="Refusals counted by shape: what users of this app wished for, and did not get." />
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`<${Card} flush>${data.items.length ? html`<${Table} app=${app} items=${data.items} />` : html`<${Empty} title="Nothing was refused yet." />`}<//>`}
    <${Call} method="GET" path=${path} command=${`lathe intents ${app}`} />
  </div>`;
}

function Table({ app, items }) {
  const most = items[0].count;
  const pluralOf = (blueprint) =>
    apps.value.find((one) => one.app === app)?.blueprints.find((one) => one.blueprint === blueprint)?.plural;
  return html`<div class="scroll"><table class="intents stack">
    <thead><tr><th scope="col" class="number">Count</th><th scope="col">Wish</th><th scope="col">Why not</th><th scope="col">Example</th></tr></thead>
    <tbody>
      ${items.map((one) => html`<tr key=${[one.blueprint, one.action, one.state, one.reason, one.clause].join("/")} data-row>
        <td class="number"><svg class="share" viewBox="0 0 72 6" aria-hidden="true"><rect width="72" height="6" rx="3" /><rect width=${Math.max(3, (one.count / most) * 72)} height="6" rx="3" /></svg>${number(one.count)}</td>
        <td><strong><bdi>${one.action}</bdi></strong> <span class="muted">of <bdi>${one.blueprint}</bdi>${one.state && html` in <bdi>${one.state}</bdi>`}</span></td>
        <td>${SAID[one.reason] ?? one.reason}${one.clause && html`: <code>${one.clause}</code>`}
          ${one.help && html`<span class="muted cure"><${Prose} text=${one.help} /></span>`}</td>
        <td>${one.example && pluralOf(one.blueprint) ? html`<${EntityLink} app=${app} plural=${pluralOf(one.blueprint)} id=${one.example} />` : "–"}</td>
      </tr>`)}
    </tbody>
  </table></div>`;
}
