// Replay: the trace taken again on the model of a version. No effect is performed, nothing is stored.
import { ask as asked, at } from "../api.js";
import { Card, Trouble } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { apps } from "../places.js";
import { html, useState } from "../ui.js";
import { Clauses } from "./trace.js";
import { named } from "./traces.js";

export function Replay({ subject, trace }) {
  const [state, setState] = useState({});
  const isLoaded = apps.value.some(({ app }) => app === trace.app);
  const run = async (path, name) => {
    setState({ busy: name });
    try {
      setState({ name, found: (await asked("POST", `${path}/replay`, { body: { trace } })).data });
    } catch (problem) {
      setState({ problem });
    }
  };
  const places = [
    isLoaded && [at("blueprints", trace.app, "current"), `${trace.app} in force`],
    subject.kind === "check" && subject.description?.graph && [subject.api, "this check"],
  ].filter(Boolean);
  if (!places.length) return null;
  return html`<${Card} title="Replay">
    <p class="muted">Looking at a run changes nothing. Replaying takes its steps again on the model of a version and compares: no effect is performed, nothing is stored.</p>
    <p class="acts">${places.map(([path, name]) => html`<button key=${name} class="small" disabled=${Boolean(state.busy)} onClick=${() => run(path, name)}><${Icon} name="play" />${state.busy === name ? "Replaying" : `Replay on ${name}`}</button>`)}</p>
    ${state.problem && html`<${Trouble} problem=${state.problem} />`}
    ${state.found && html`<${Outcome} name=${state.name} found=${state.found} />`}
  <//>`;
}

function Outcome({ name, found }) {
  const lastly = found.steps.at(-1);
  const broken = found.steps.flatMap((one) => one.broken);
  const otherwise = !found.same && lastly;
  return html`<div role="status" class="replayed">
    ${otherwise
      ? html`<p><${Icon} name="info" />On ${name} it goes otherwise at event ${found.steps.length}, <strong><bdi>${named(lastly.step)}</bdi></strong> of <bdi>${lastly.step.entity}</bdi>${lastly.step.refused && html`: refused, <bdi>${lastly.step.refused}</bdi>`}.</p>`
      : html`<p><${Icon} name=${broken.length ? "close" : "done"} />On ${name} it goes as recorded${broken.length ? "" : ", and breaks nothing"}.</p>`}
    ${broken.map((one) => html`<div key=${one.property}><p>It breaks <code><bdi>${one.property}</bdi></code>:</p><${Clauses} clauses=${one.clauses} /></div>`)}
  </div>`;
}
