// Everything at a glance: what lives, what should have happened by now, what waits for somebody.
import { useLiving } from "../counts.js";
import { number, plural } from "../format.js";
import { useGet } from "../api.js";
import { isDecision, recent, useNotices } from "../events.js";
import { now, young } from "../now.js";
import { Alerts, AppCard, Overdue } from "../parts/app.js";
import { Card, Empty, Head, State, Trouble } from "../parts/bits.js";
import { Feed } from "../parts/feed.js";
import { total } from "../parts/states.js";
import { Spark } from "../parts/spark.js";
import { to } from "../router.js";
import { html, useEffect } from "../ui.js";

export default function Overview() {
  const { data, problem, reload } = useLiving();
  useEffect(() => young(), [recent.value]);
  if (!data) return problem ? html`<${Trouble} problem=${problem} onRetry=${reload} />` : html`<${Skeleton} />`;
  const waiting = data.items.flatMap(waitingOf);
  const [overdue, alerts] = ["overdue", "alerts"].map((key) => data.items.flatMap((item) => item[key].map((one) => ({ ...one, app: item.app }))));
  return html`<div class="overview">
    <${Head} title="Overview" about=${summary(data.items)} />
    <${Figures} items=${data.items} overdue=${overdue} waiting=${waiting} />
    ${!data.items.length && html`<${NoApps} />`}
    <div class="columns">
      <div>
        ${livingFirst(data.items).map((item) => html`<${AppCard} key=${item.app} item=${item} />`)}
      </div>
      <div>
        <div class="urgent">
          <${Alerts} items=${alerts} />
          <${Overdue} items=${overdue} />
          <${Attention} items=${waiting} />
        </div>
        <${Card} title="Now" flush><${Feed} /><//>
      </div>
    </div>
  </div>`;
}

const isAlive = (item) => item.blueprints.some(({ states }) => total(states, true) > 0);

/** The apps in which something is alive, then the others, each by name. */
const livingFirst = (items) => [...items.filter(isAlive), ...items.filter((item) => !isAlive(item))];

const summary = (items) =>
  `${plural(items.length, "app")}, ${plural(items.reduce((n, item) => n + item.blueprints.length, 0), "blueprint")}`;

const waitingOf = (item) =>
  item.blueprints.flatMap((one) =>
    one.states.filter(({ kind, count }) => kind === "waits" && count > 0).map((state) => ({ ...state, app: item.app, plural: one.plural })),
  );

function Figures({ items, overdue, waiting }) {
  const live = items.flatMap(({ blueprints }) => blueprints).reduce((n, { states }) => n + total(states, true), 0);
  const minute = recent.value.filter(({ time }) => now.value - Date.parse(time) < 60_000).length;
  return html`<dl class="figures">
    <div><dt>alive</dt><dd>${number(live)}</dd></div>
    <div><dt>wait for somebody</dt><dd class=${waiting.length ? "attention" : ""}>${number(waiting.reduce((n, { count }) => n + count, 0))}</dd></div>
    <${Waiting} />
    <div><dt>overdue</dt><dd class=${overdue.length ? "alarm" : ""}>${number(overdue.length)}</dd></div>
    <div class="grow"><dt>events, last minute</dt><dd><span>${number(minute)}</span><${Spark} /></dd></div>
  </dl>`;
}

/** What waits for a decision that the caller may see. */
function Waiting() {
  const { data } = useGet("/v1/decisions?state=open&limit=100", useNotices(isDecision));
  const open = data?.items.length ?? 0;
  const told = data?.next ? `${number(open)}+` : number(open);
  return html`<div><dt>decisions</dt><dd class=${open ? "attention" : ""}><a href=${to("decisions")}>${told}</a></dd></div>`;
}

const Attention = ({ items }) => html`<${Card} title="Waits for somebody" flush>
  ${items.length
    ? html`<ul class="rows">
        ${items.map((one) => html`<li key=${one.app + one.plural + one.state} data-row>
          <a href=${to("apps", one.app, "entities", one.plural, { state: one.state })}>
            <span class="n">${number(one.count)}</span> <${State} name=${one.state} kind="waits" />
          </a>
          <span class="grow muted"><bdi>${one.waits}</bdi></span>
          <span class="muted"><bdi>${one.plural}</bdi></span>
        </li>`)}
      </ul>`
    : html`<${Empty} title="Nothing waits for anybody." />`}
<//>`;

const NoApps = () => html`<${Empty} title="No app is loaded yet.">
  Load one: <code>lathe apply FOLDER</code>
<//>`;

const Skeleton = () => html`<div class="overview" aria-busy="true">
  <${Head} title="Overview" about="…" /><div class="waiting" role="status"><span class="sr">Loading</span></div>
</div>`;
