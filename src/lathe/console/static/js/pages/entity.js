// One entity: where it is and how it got there, what may be done with it now, and why not the rest.
import { at, get, useGet } from "../api.js";
import { useFresh } from "../events.js";
import { clock, duration, relative } from "../format.js";
import { visitsOf, writersOf } from "../history.js";
import { kindIn, useModel } from "../model.js";
import { now, young } from "../now.js";
import { Act } from "../parts/act.js";
import { Card, EntityLink, Head, State, Trouble, When, Who } from "../parts/bits.js";
import { Call, Copy } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { Held, Journal } from "../parts/journal.js";
import { Waiting } from "../parts/shell.js";
import { Strip } from "../parts/strip.js";
import { Timeline } from "../parts/timeline.js";
import { refers } from "../places.js";
import { to } from "../router.js";
import { html, useEffect, useState } from "../ui.js";

const PAGE = 200;

export default function Entity({ app, plural, id }) {
  const fresh = useFresh((event) => event.entity === id && event.app === app, 60);
  const base = at(app, plural, id);
  const { data, problem, reload } = useGet(base, fresh);
  const { data: visit } = useGet(`${base}/visit`, fresh);
  const { data: actions } = useGet(`${base}/actions`, fresh);
  const { model } = useModel(app, plural);
  const journal = useJournal(base, visit?.entries);
  useEffect(() => {
    if (data && kindIn(model, data.state) !== "final") young();
  }, [data, model]);
  const crumbs = [[app, to("apps", app)], [plural, to("apps", app, "entities", plural)]];
  if (!data) return html`<div><${Head} title=${id} mono crumbs=${crumbs} />${problem ? html`<${Trouble} problem=${problem} onRetry=${reload} />` : html`<${Waiting} />`}</div>`;
  const { events } = journal;
  return html`<div class="entity">
    <${Head} title=${id} mono crumbs=${crumbs}><${Copy} text=${id} label="Copy id" />
      <a class="button small" href=${to("apps", app, "entities", plural, id, "trace")} title="walk through it step by step, replay it, or go on from it on the model"><${Icon} name="history" />As a run</a><//>
    <${Trouble} problem=${problem} onRetry=${reload} />
    <section class="card way" aria-label="Way through the states">
      <${Strip} events=${events} model=${model} now=${now.value} />
      <${Timeline} events=${events} model=${model} now=${now.value} />
    </section>
    <div class="columns">
      <div>
        <${Actions} app=${app} plural=${plural} id=${id} items=${actions?.items} visit=${data.visit} onDone=${reload} />
        <${Journal} events=${events} model=${model} hasEarlier=${journal.hasEarlier} onEarlier=${journal.earlier} />
      </div>
      <div>
        <${Visit} data=${data} visit=${visit} events=${events} model=${model} />
        <${FieldsCard} app=${app} data=${data} model=${model} events=${events} />
        <${Call} path=${base} command=${`lathe get ${app}/${plural}/${id}`} />
        <${Call} path=${`${base}/journal`} command=${`lathe journal ${app}/${plural}/${id}`} />
      </div>
    </div>
  </div>`;
}

/** The newest entries of a journal, and earlier ones when they are asked for. */
function useJournal(base, entries) {
  const [state, setState] = useState({ base, events: [], first: null });
  const events = state.base === base ? state.events : [];
  const first = state.base === base ? state.first : null;
  useEffect(() => {
    if (entries === undefined) return undefined;
    let is = true;
    const known = events.length ? Number(events.at(-1).id.split(".").pop()) : null;
    const after = known ?? Math.max(0, entries - PAGE);
    if (known !== null && known >= entries) return undefined;
    get(`${base}/journal?limit=${PAGE}&after=${after}`).then(
      ({ items }) =>
        is && setState((before) => ({ base, events: before.base === base && known !== null ? before.events.concat(items) : items, first: before.base === base && before.first !== null ? before.first : after })),
      () => undefined,
    );
    return () => (is = false);
  }, [base, entries]);
  const earlier = async () => {
    const after = Math.max(0, first - PAGE);
    const { items } = await get(`${base}/journal?limit=${first - after}&after=${after}`);
    setState((before) => ({ ...before, events: items.concat(before.events), first: after }));
  };
  return { events, hasEarlier: first > 0, earlier };
}

const PHASES = { waiting: "waits for its turn", started: "is being tried", stopping: "is being stopped", late: "may still end", notice: "tells that it is over" };

function Visit({ data, visit, events, model }) {
  const since = visitsOf(events).at(-1)?.from;
  const failed = events.findLast((one) => one.kind === "end" && one.ok === false && Date.parse(one.time) >= since);
  const kind = kindIn(model, data.state);
  return html`<${Card} class="card now-card" title="Now" aside=${html`<span class="muted">visit ${data.visit} · version ${data.version}</span>`}>
    <p class="now"><${State} name=${data.state} kind=${kind} />
      ${since && html`<span class="muted">since <time title=${new Date(since).toISOString()}>${clock(since, now.value)}</time>${kind !== "final" ? `, ${duration(now.value - since)}` : ""}</span>`}
    </p>
    ${visit?.waits && html`<p class="waits-for"><${Icon} name="hand" /> <bdi>${visit.waits}</bdi></p>`}
    ${failed && kind !== "final" && html`<p class="failed late"><${Icon} name="warn" /> <strong><bdi>${failed.effect}</bdi></strong> ended badly <${When} at=${failed.time} />: <bdi>${failed.why ? `${failed.cause}, ${failed.why}` : failed.cause}</bdi></p>`}
    ${visit?.doc && html`<p class="muted"><bdi>${visit.doc}</bdi></p>`}
    ${visit?.invocations.map((one) => html`<div key=${one.number} class="duty">
      <${Icon} name="effect" /><strong><bdi>${one.effect}</bdi></strong>
      <span>${PHASES[one.phase] ?? one.phase}${one.attempt > 0 ? `, attempt ${one.attempt}${one.attempts ? ` of ${one.attempts}` : ""}` : ""}</span>
      ${Date.parse(one.due) > now.value && html`<span class="muted">next ${relative(one.due, now.value)} (${clock(one.due)})</span>`}
    </div>`)}
    ${visit?.timers.map((one) => html`<div key=${one.timer} class="duty">
      <${Icon} name="late" /><strong><bdi>${one.timer || one.action}</bdi></strong>
      <span class=${Date.parse(one.due) < now.value ? "late" : ""}>${Date.parse(one.due) < now.value ? `due ${relative(one.due, now.value)}` : `fires ${relative(one.due, now.value)}`} <span class="muted">(${clock(one.due, now.value)})</span></span>
    </div>`)}
    ${kind === "final" && html`<p class="muted">It is over: nothing runs, and nothing can be done with it.</p>`}
  <//>`;
}

function FieldsCard({ app, data, model, events }) {
  const writers = writersOf(events);
  const names = Object.keys(data.fields);
  if (!names.length) return null;
  return html`<${Card} class="card flush fields-card" title="Fields">
    <dl class="held">
      ${names.map((name) => html`<div key=${name}>
        <dt><bdi>${name}</bdi><span class="muted">${model?.fields?.[name]?.type}</span></dt>
        <dd>${refers(app, model, name) && data.fields[name] ? html`<${EntityLink} app=${app} plural=${refers(app, model, name)} id=${data.fields[name]} full />` : html`<${Held} held=${data.fields[name]} />`}
          ${writers[name] && html`<span class="muted wrote"><${Who} by=${writers[name].by} actor=${writers[name].actor} /> <${When} at=${writers[name].time} /></span>`}
        </dd>
      </div>`)}
    </dl>
  <//>`;
}

/** What may be done now, each with its form; and why not the others. */
function Actions({ app, plural, id, items, visit, onDone }) {
  const [open, setOpen] = useState(null);
  if (!items) return null;
  const possible = items.filter((one) => one.possible);
  const others = items.filter((one) => !one.possible);
  const chosen = possible.find((one) => one.action === open);
  return html`<${Card} class="card actions-card" title="Actions" aside=${html`<span class="muted">${possible.length ? "" : "none now"}</span>`}>
    ${possible.length > 0 && html`<div class="choices" role="group" aria-label="What may be done now">
      ${possible.map((one) => html`<button key=${one.action} data-action=${one.action} class=${one === chosen ? "chosen" : ""} aria-expanded=${one === chosen} title=${one.doc}
        onClick=${() => setOpen(one === chosen ? null : one.action)}><bdi>${one.action}</bdi></button>`)}
    </div>`}
    ${chosen && html`<div class="chosen-form" key=${chosen.action}>
      ${chosen.doc && html`<p class="muted"><bdi>${chosen.doc}</bdi></p>`}
      <${Act} app=${app} plural=${plural} id=${id} action=${chosen} visit=${visit} onCancel=${() => setOpen(null)} onDone=${() => (setOpen(null), onDone())} />
    </div>`}
    ${others.length > 0 && html`<details class="others" open=${!possible.length && others.length < 4}>
      <summary>why not the other ${others.length}</summary>
      <dl>${others.map((one) => html`<div key=${one.action}><dt><bdi>${one.action}</bdi></dt><dd><bdi>${one.why}</bdi> <code class="muted">${one.code}</code></dd></div>`)}</dl>
    </details>`}
  <//>`;
}
