// What loading it would do to what lives now, and doing it: planned first, confirmed as planned.
import { ask as asked, at, useGet } from "../api.js";
import { number, plural } from "../format.js";
import { Card, EntityLink, State, Trouble } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { Prose } from "../parts/prose.js";
import { apps } from "../places.js";
import { go, to } from "../router.js";
import { html, useEffect, useState } from "../ui.js";
import { Change } from "./changes.js";
import { findingsOf, shortDigest } from "./subjects.js";

/** The request that plans or makes it: a check is loaded, a version that was in force comes back. */
function request(subject, more) {
  if (subject.kind === "check") return { method: "PUT", path: "/v1/blueprints", body: { check: subject.data.id, ...more } };
  return { method: "POST", path: at("blueprints", subject.app, "rollback"), body: { digest: subject.digest, ...more } };
}

export function Plan({ subject }) {
  const [state, setState] = useState({});
  const current = useGet(subject.app && at("blueprints", subject.app));
  const runs = current.data?.digest === subject.digest;
  const isAdmitted = subject.kind === "version" || subject.report.verdict === "admitted";
  const send = async (more, then) => {
    setState({ ...state, busy: true, problem: null });
    const { method, path, body } = request(subject, more);
    try {
      const { data } = await asked(method, path, { body });
      then(data);
    } catch (problem) {
      setState({ ...state, plan: problem.document?.plan ?? state.plan, busy: false, problem });
    }
  };
  useEffect(() => {
    if (isAdmitted && current.data && !runs) send({}, (data) => setState(data));
  }, [subject.api, isAdmitted, current.data?.digest]);
  if (!isAdmitted) {
    return html`<p class="notice bad"><${Icon} name="close" /><span>What the verifier does not admit is not loaded. <a href=${to(...subject.base, "report")}>The report</a> says why.</span></p>`;
  }
  if (runs) return html`<p class="notice good"><${Icon} name="done" />This version is in force${current.data.items[0]?.note ? html`: <bdi>${current.data.items[0].note}</bdi>` : ""}.</p>`;
  const confirm = (note) => send({ confirm: state.plan.digest, breaking: true, note }, ({ decision }) => go(decision ? to("decisions") : to("apps", subject.app, "versions", "current", "graph")));
  return html`<div class="plan">
    <${Trouble} problem=${state.problem} onRetry=${() => send({}, setState)} />
    ${state.plan && state.plan.verdict !== "admitted" && html`<${Against} plan=${state.plan} check=${state.check} findings=${findingsOf(state.report)} />`}
    ${state.plan ? html`<${Planned} plan=${state.plan} subject=${subject} busy=${state.busy} onConfirm=${confirm} />` : html`<p class="muted">Comparing it with everything that lives now.</p>`}
  </div>`;
}

/** Why the verifier does not admit it in place of what runs, though it may be sound by itself. */
const Against = ({ plan, check, findings }) => html`<div class="notice bad" role="alert">
  <p><${Icon} name="close" /><strong>In place of what runs the verifier says: ${plan.verdict}.</strong></p>
  <ul class="plain">${findings.filter(({ severity }) => severity === "error").map((one) => html`<li key=${one.number}><code>${one.code}</code> <${Prose} text=${one.message} /></li>`)}</ul>
  ${check && html`<p><a href=${to("checks", check)}>Read the report</a></p>`}
</div>`;

function Planned({ plan, subject, busy, onConfirm }) {
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState("");
  const lived = plan.population.reduce((sum, { count }) => sum + count, 0);
  const isBack = subject.kind === "version";
  const verb = isBack ? "Roll back" : "Load it";
  const made = request(subject, { confirm: plan.digest, breaking: true, note });
  const command = isBack ? `lathe rollback ${subject.app} ${plan.new} --confirm ${plan.digest}` : `lathe apply FOLDER --confirm ${plan.digest}${plan.breaking ? " --breaking" : ""}`;
  return html`<div>
    <dl class="figures">
      <div><dt>live entities</dt><dd>${number(lived)}</dd></div>
      <div><dt>rewritten</dt><dd>${number(plan.moved)}</dd></div>
      <div><dt>do not fit</dt><dd class=${plan.unfit_count ? "alarm" : ""}>${number(plan.unfit_count)}</dd></div>
      <div><dt>changes</dt><dd>${number(plan.changes.length)}</dd></div>
      <div><dt>for clients</dt><dd class=${plan.breaking ? "attention" : ""}>${plan.breaking ? "may break" : "compatible"}</dd></div>
    </dl>
    ${plan.unfit.length > 0 && html`<${Card} title="These live now and do not fit" flush class="card flush alarming"><ul class="rows">
      ${plan.unfit.map((one) => html`<li key=${one.entity} data-row><${Living} one=${one} app=${plan.app} /><span class="grow"><bdi>${one.why}</bdi></span><code>${one.code}</code></li>`)}
      ${plan.unfit_count > plan.unfit.length && html`<li class="muted">and ${number(plan.unfit_count - plan.unfit.length)} more</li>`}</ul><//>`}
    <div class="halves">
      <${Card} title="Who lives now" flush>${plan.population.length ? html`<ul class="rows">${plan.population.map((one) => html`<li key=${one.blueprint + one.state}>
        <span class="grow"><bdi>${one.blueprint}</bdi></span><${State} name=${one.state} /><span class="n">${number(one.count)}</span></li>`)}</ul>` : html`<p class="muted pad">Nobody.</p>`}<//>
      <${Card} title="What it means" flush>${plan.changes.length ? html`<ul class="rows differences">${plan.changes.map((one) => html`<${Change} key=${one.path} one=${one} />`)}</ul>` : html`<p class="muted pad">${plan.old ? "The same." : "It is new."}</p>`}<//>
    </div>
    <p class="acts"><button class="primary" disabled=${!plan.possible || busy} onClick=${() => setOpen(true)}>${verb}</button>
      <span class="muted">plan <code>${plan.digest}</code>: ${plan.old ? shortDigest(plan.old) : "nothing"} → ${shortDigest(plan.new)}</span></p>
    <${Call} ...${made} command=${command} />
    <${Dialog} title=${`${verb}: ${plan.app}`} open=${open} onClose=${() => setOpen(false)}>
      <p>${shortDigest(plan.new)} takes over from ${plan.old ? shortDigest(plan.old) : "nothing"}: ${plural(lived, "entity lives", "entities live")}, ${number(plan.moved)} are rewritten. Nothing restarts, and it can be rolled back.</p>
      ${plan.breaking && html`<p class="warned"><${Icon} name="warn" />Clients may break: ${plan.changes.filter((one) => one.breaking).map((one) => one.path).join("; ")}</p>`}
      <form onSubmit=${(event) => (event.preventDefault(), setOpen(false), onConfirm(note))}>
        <label for="note">Why (kept with the version)</label>
        <input id="note" value=${note} onInput=${(event) => setNote(event.target.value)} maxlength="500" autocomplete="off" />
        <p class="acts"><button class="primary" type="submit">${verb}</button><button type="button" onClick=${() => setOpen(false)}>Not now</button></p>
      </form>
    <//>
  </div>`;
}

function Living({ one, app }) {
  const plural = apps.value.find((item) => item.app === app)?.blueprints.find(({ blueprint }) => blueprint === one.blueprint)?.plural;
  return html`${plural ? html`<${EntityLink} app=${app} plural=${plural} id=${one.entity} />` : html`<span class="id">${one.entity}</span>`} <${State} name=${one.state} />`;
}
