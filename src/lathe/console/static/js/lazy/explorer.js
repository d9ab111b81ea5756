// A run, step by step: the arrow keys go through it. Looking changes nothing; replaying takes it again on the model.
import { plural } from "../format.js";
import { useKeys } from "../keys.js";
import { Card, Head } from "../parts/bits.js";
import { Copy } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { apps } from "../places.js";
import { ask, go as goTo, query, to } from "../router.js";
import { html, useCallback, useEffect, useMemo, useRef, useState } from "../ui.js";
import { lineLink } from "./findings.js";
import { Gauge } from "./gauge.js";
import { Graph } from "./graph.js";
import { Replay } from "./replay.js";
import { Edit, Excerpt } from "./source.js";
import { Changed, Clauses, Sequence, Steps } from "./trace.js";
import { actorsOf, blueprintOf, frames, markdown, runAt } from "./traces.js";
import { Prose } from "../parts/prose.js";

const SETTLES_MS = 350;

/** The step that is looked at: `[at, go(to), move(by)]`. It is in the address, once the hand rests. */
function useStep(last) {
  const asks = Number(query.value.get("step") ?? last);
  const [at, setAt] = useState(Number.isInteger(asks) ? Math.min(last, Math.max(0, asks)) : last);
  const timer = useRef(0);
  // A key that is held comes faster than the screen is drawn: it counts from where it went, not from what is shown.
  const now = useRef(at);
  const go = useCallback((to) => {
    now.current = Math.min(last, Math.max(0, to));
    setAt(now.current);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask({ step: now.current === last ? null : now.current }), SETTLES_MS);
  }, [last]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return [at, go, (by) => go(now.current + by)];
}

export function Explorer({ subject, finding, trace }) {
  const all = useMemo(() => frames(trace), [trace]);
  const last = all.length - 1;
  const [at, go, move] = useStep(last);
  const [whole, setWhole] = useState(false);
  const entities = useMemo(() => actorsOf(trace).right, [trace]);
  const [chosen, setChosen] = useState(null);
  const forks = subject.api || apps.value.some(({ app }) => app === trace.app);
  const fork = `${subject.address ?? to(...subject.base, "traces", trace.id.slice(0, 12))}/fork?step=${at}`;
  useKeys({
    ArrowRight: { does: () => move(1), said: "the next step" },
    ArrowLeft: { does: () => move(-1), said: "the step before" },
    Home: { does: () => go(0), said: "before the first step" },
    End: { does: () => go(last), said: "the last step" },
    f: { does: () => (forks ? goTo(fork) : false), said: "fork: go on by hand from this step" },
    a: { does: () => setWhole((is) => !is), said: "all values, or what changed" },
  }, [last, fork, forks]);
  const frame = all[at];
  const entity = chosen ?? (entities.includes(frame.step?.entity) ? frame.step.entity : entities[0]);
  const isLast = at === last;
  // What no step changes is made once: a step is drawn within a frame.
  const title = useMemo(() => html`<${Title} subject=${subject} finding=${finding} trace=${trace} />`, [subject.title, finding, trace]);
  const meant = useMemo(() => finding.file && html`<${Meant} subject=${subject} finding=${finding} />`, [subject.files, finding]);
  const replay = useMemo(() => html`<${Replay} subject=${subject} trace=${trace} />`, [subject.description, trace]);
  return html`<div class="explorer">
    ${title}
    ${subject.notes?.map((note) => html`<p key=${note} class="notice"><${Icon} name="info" /> <bdi>${note}</bdi></p>`)}
    <div class="scrub">
      <button class="small only" onClick=${() => move(-1)} disabled=${at === 0} aria-label="The step before"><${Icon} name="left" /></button>
      <input type="range" min="0" max=${last} value=${at} aria-label="Step" aria-valuetext=${`event ${at} of ${last}`} onInput=${(event) => go(Number(event.target.value))} />
      <button class="small only" onClick=${() => move(1)} disabled=${isLast} aria-label="The next step"><${Icon} name="right" /></button>
      ${forks && html`<a class="button small" href=${fork} title="go on by hand from this step"><${Icon} name="fork" />Fork<kbd>f</kbd></a>`}
      <output class="muted">${at === 0 ? "before anything" : frame.number !== null ? `step ${frame.number} of ${trace.length}` : "between two steps"}</output>
    </div>
    <div class="walk">
      <div>
        <${Card} title="Steps" flush aside=${html`<span class="muted">${plural(trace.length, "step")}${last > trace.length ? `, ${last} events` : ""}</span>`}>
          <${Steps} frames=${all} at=${at} onStep=${go} loopFrom=${trace.loop_from} /><//>
        <${Card} title=${at === 0 ? "Before anything" : `What ${frame.number !== null ? `step ${frame.number}` : "it"} changed`} flush
          aside=${html`<button class="quiet small" aria-pressed=${whole} onClick=${() => setWhole(!whole)}>all values <kbd>a</kbd></button>`}>
          <${Changed} frame=${frame} all=${whole} /><//>
        ${trace.clauses?.length > 0 && html`<${Card} title=${isLast ? "False now" : "False at the end"} class=${isLast ? "card alarming" : "card"}><${Clauses} clauses=${trace.clauses} /><//>`}
        ${meant}
      </div>
      <div>
        <${OnGraph} subject=${subject} frames=${all} at=${at} entities=${entities} entity=${entity} onChoose=${setChosen} />
        <${Card} title="Who spoke to whom" flush><${Sequence} trace=${trace} frames=${all} at=${at} onStep=${go} /><//>
      </div>
    </div>
    ${replay}
  </div>`;
}

function Title({ subject, finding, trace }) {
  const where = `Look at it: ${location.origin}${subject.address ?? to(...subject.base, "traces", trace.id.slice(0, 12))}`;
  const text = markdown({ trace, finding: finding.file || finding.repeat ? finding : null, files: subject.files, where });
  const crumbs = subject.address ? subject.crumbs : [...subject.crumbs, [subject.kind === "version" ? "report" : subject.title, to(...subject.base, "report")]];
  return html`<div class="trace-head">
    <${Head} title=${finding.property ?? finding.code} crumbs=${crumbs} about=${html`<${Prose} text=${finding.message} />`}>
      <${Copy} text=${text} label="Copy for an agent" />
      <${Gauge} trace=${trace} finding=${finding} app=${subject.app} />
    <//>
    ${finding.repeat && html`<div class="command repeat"><span class="muted">Repeat it</span><pre tabindex="0">${finding.repeat}</pre><${Copy} text=${finding.repeat} /></div>`}
  </div>`;
}

/** The state graph of the entity that the step is about. Without one of the app, that of the run alone. */
export function OnGraph({ subject, frames: all, at, entities, entity, onChoose }) {
  const graph = subject.description?.graph ?? subject.description?.diff?.graph;
  const isComing = subject.api && !subject.description && !subject.descriptionProblem;
  const name = blueprintOf(entity ?? "");
  const blueprint = useMemo(() => graph?.blueprints.find((one) => one.name === name) ?? alone(all, entity, name), [graph, name, entity]);
  if (!entity || !blueprint.states.length) return null;
  // The graph of the run alone is no first picture of one that is coming: nothing is drawn twice.
  if (isComing) return html`<${Card} title=${entity}><p class="muted">Reading the states</p><//>`;
  const select = entities.length > 1 && html`<select aria-label="Whose states" value=${entity} onChange=${(event) => onChoose(event.target.value)}>
    ${entities.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`;
  return html`<${Card} title=${entities.length > 1 ? "States of" : entity} aside=${select}>
    <${Graph} blueprint=${blueprint} run=${runAt(all, at, entity)} short />
  <//>`;
}

/** A graph of what the run shows: the states of one entity, and the steps between them. */
function alone(all, entity, name) {
  const states = new Map(), edges = new Map();
  let create = null;
  for (const { step } of all.slice(1)) {
    for (const part of [step, ...(step.also ?? [])]) {
      if (part.entity !== entity || !part.changes.state) continue;
      const [from, to_] = part.changes.state;
      states.set(to_, { name: to_, initial: from === null, final: false, runs: "", timer: "", waits: "", doc: "", loops: [], stays: [], chips: [] });
      const label = { action: part.action ?? "", who: part.by ?? "", guard: "", trouble: false, origin: "" };
      if (from === null) create = label;
      else if (from !== to_) {
        const edge = edges.get(`${from} ${to_}`) ?? { source: from, target: to_, trouble: false, labels: [] };
        if (!edge.labels.some(({ action }) => action === label.action)) edge.labels.push(label);
        edges.set(`${from} ${to_}`, edge);
      }
    }
  }
  const known = [...edges.values()].filter(({ source }) => states.has(source));
  return { name, states: [...states.values()], edges: known, create, initial: [...states.keys()][0], anywhere: [], actions: [] };
}

/** The line that the finding is about, and the way out. */
const Meant = ({ subject, finding }) => html`<${Card} title="What it breaks" aside=${html`<a href=${lineLink(subject, finding)}><bdi>${finding.file}:${finding.line}</bdi></a>`}>
  <${Excerpt} finding=${finding} files=${subject.files} />
  ${finding.help && html`<p class="help"><strong>Help</strong> <${Prose} text=${finding.help} /></p>`}
  ${finding.edit && html`<${Edit} edit=${finding.edit} />`}
<//>`;
