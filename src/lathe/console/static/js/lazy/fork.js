// Fork: go on with a run by hand, from any step, on the model. What may happen next is what the model says; nothing
// that lives is touched. The steps that were taken stand in the address.
import { ask as asked } from "../api.js";
import { plural, value } from "../format.js";
import { useKeys } from "../keys.js";
import { Card, Empty, Head, Trouble } from "../parts/bits.js";
import { Call, Copy } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { Waiting } from "../parts/shell.js";
import { ask, query, to } from "../router.js";
import { html, useEffect, useMemo, useState } from "../ui.js";
import { Choices, slim } from "./choices.js";
import { OnGraph } from "./explorer.js";
import { Gauge } from "./gauge.js";
import { Changed, Clauses, Sequence, Steps } from "./trace.js";
import { actorsOf, frames, markdown } from "./traces.js";

/** The steps that were taken by hand, from the address. */
function taken() {
  try {
    const found = JSON.parse(query.value.get("then") ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

/** Where the run leads, as the model says: `{found, problem, busy}`; what was there before stays until it is known. */
function useForked(path, body) {
  const [state, setState] = useState({});
  const text = JSON.stringify(body);
  useEffect(() => {
    if (!path) return undefined;
    const stop = new AbortController();
    setState((before) => ({ ...before, busy: true }));
    asked("POST", `${path}/fork`, { body, signal: stop.signal }).then(
      ({ data }) => setState({ found: data }),
      (problem) => stop.signal.aborted || setState((before) => ({ found: before.found, problem })),
    );
    return () => stop.abort();
  }, [path, text]);
  return state;
}

/** `trace` is the run that is gone on with; one without steps begins before anything. */
export function Fork({ subject, trace }) {
  const steps = taken();
  const asks = Number(query.value.get("step") ?? trace.steps.length);
  const kept = Number.isInteger(asks) ? Math.min(trace.steps.length, Math.max(0, asks)) : trace.steps.length;
  const body = { trace, at: kept, take: steps };
  const { found, problem, busy } = useForked(subject.api, body);
  const take = (step) => ask({ then: JSON.stringify([...steps, slim(step)]) });
  const undo = () => steps.length > 0 && ask({ then: steps.length > 1 ? JSON.stringify(steps.slice(0, -1)) : null });
  const cut = (at) => (at > kept ? ask({ then: JSON.stringify(steps.slice(0, at - kept)) }) : ask({ then: null, step: at }));
  useKeys({ u: { does: undo, said: "take the last step back" } }, [steps.length]);
  if (!found) return html`<div><${Top} subject=${subject} trace=${trace} kept=${kept} />${problem ? html`<${Trouble} problem=${problem} />` : html`<${Waiting} />`}</div>`;
  const shared = { subject, kept, found, busy, onTake: take, onCut: cut };
  return html`<div class="explorer fork">
    <${Top} subject=${subject} trace=${trace} kept=${kept} found=${found}>
      <button class="small" disabled=${!steps.length} onClick=${undo}><${Icon} name="left" />Take back<kbd>u</kbd></button>
    <//>
    <${Trouble} problem=${problem} />
    ${found.refused && html`<p class="notice bad" role="alert"><${Icon} name="close" /> Event ${found.refused.event} is refused here: <bdi>${found.refused.why}</bdi>. The run goes on from before it.</p>`}
    <${Walked} key=${found.trace.id} ...${shared} />
    <${Call} method="POST" path=${`${subject.api}/fork`} body=${body} />
  </div>`;
}

function Top({ subject, trace, kept, found, children }) {
  const crumbs = trace.steps.length ? [...subject.crumbs, [subject.traceTitle ?? "the run", subject.runAddress]] : [...subject.crumbs, [subject.title, to(...subject.base)]];
  const about = trace.steps.length ? `From event ${kept} of ${trace.steps.length} on, by hand.` : "From nothing, by hand.";
  const where = `Look at it: ${location.href}`;
  return html`<${Head} title="What if" crumbs=${crumbs} about=${`${about} This is the model that the verifier searches: nothing that lives is touched.`}>
    ${children}
    ${found && html`<${Copy} text=${markdown({ trace: found.trace, finding: findingOf(found), files: subject.files, where })} label="Copy for an agent" />
      <${Gauge} trace=${found.trace} finding=${findingOf(found) ?? { code: "run" }} app=${subject.app} />`}
  <//>`;
}

/** What the run breaks at its end, as a finding; none if it breaks nothing. */
function findingOf({ broken }) {
  const last = broken.at(-1);
  return last ? { code: "LT401", property: last.property, message: `\`${last.property}\` is false at event ${last.event}`, file: "" } : null;
}

function Walked({ subject, kept, found, busy, onTake, onCut }) {
  const { trace, broken } = found;
  const all = useMemo(() => frames(trace), [trace]);
  const last = all.length - 1;
  const [at, go] = useState(last);
  const [chosen, setChosen] = useState(null);
  useKeys({
    ArrowRight: { does: () => go((n) => Math.min(last, n + 1)), said: "the next step" },
    ArrowLeft: { does: () => go((n) => Math.max(0, n - 1)), said: "the step before" },
  }, [last]);
  const entities = useMemo(() => actorsOf(trace).right, [trace]);
  const frame = all[at];
  const entity = chosen ?? (entities.includes(frame.step?.entity) ? frame.step.entity : entities[0]);
  const now = broken.filter(({ event }) => event === at);
  const next = at === last
    ? html`<${Choices} key=${trace.id} choices=${found.choices} busy=${busy} onTake=${onTake} />`
    : html`<div class="pad acts"><button onClick=${() => onCut(at)}><${Icon} name="fork" />Go on from here instead</button><span class="muted">${plural(last - at, "event")} would be left out</span></div>`;
  return html`<div class="walk">
    <div>
      <${Card} title="What may happen next" flush aside=${at === last && html`<span class="muted">${busy ? "asking the model" : ""}</span>`}>${next}<//>
      <${Card} title="Steps" flush aside=${html`<span class="muted">${plural(trace.length, "step")}</span>`}>
        <${Steps} frames=${all} at=${at} onStep=${go} ownFrom=${Math.min(kept, last)} /><//>
      <${Card} title=${at === 0 ? "Before anything" : "What it changed"} flush><${Changed} frame=${frame} /><//>
      ${now.map((one) => html`<${Card} key=${one.property} title=${`False now: ${one.property}`} class="card alarming"><${Clauses} clauses=${one.clauses} /><//>`)}
    </div>
    <div>
      ${at === last && html`<${Entities} entities=${found.entities} />`}
      <${OnGraph} subject=${subject} frames=${all} at=${at} entities=${entities} entity=${entity} onChoose=${setChosen} />
      ${last > 0 && html`<${Card} title="Who spoke to whom" flush><${Sequence} trace=${trace} frames=${all} at=${at} onStep=${go} /><//>`}
    </div>
  </div>`;
}

/** Every entity as it is where the run leads. */
function Entities({ entities }) {
  if (!entities.length) return html`<${Card} title="What is there" flush><${Empty} title="Nothing yet: create something." /><//>`;
  return html`<${Card} title="What is there" flush><ul class="rows entities-now">${entities.map((one) => html`<li key=${one.id}>
    <strong><bdi>${one.id}</bdi></strong><code><bdi>${one.state}</bdi></code>
    <span class="grow mono">${Object.entries(one.values).filter(([, held]) => held !== null).map(([name, held]) => html`<span key=${name}><span class="muted">${name}</span> <bdi>${value(held)}</bdi> </span>`)}</span>
    ${one.effects.map(({ effect, phase }, i) => html`<span key=${i} class="tag"><bdi>${effect}</bdi> ${phase}</span>`)}
  </li>`)}</ul><//>`;
}

