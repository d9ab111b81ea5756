// The verification report: what was found, how far was looked, what was not covered, and what nothing would notice.
import { ask as asked } from "../api.js";
import { duration, number, plural } from "../format.js";
import { Card, Trouble } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { to } from "../router.js";
import { html, useState } from "../ui.js";
import { Finding } from "./findings.js";
import { findingsOf } from "./subjects.js";
import { Prose } from "../parts/prose.js";

export function Report({ subject }) {
  const { report } = subject;
  const findings = findingsOf(report);
  const survivors = findings.filter(({ code }) => code === "LT405");
  const others = findings.filter(({ code }) => code !== "LT405");
  const is = (name) => report.covered?.[name] && Object.keys(report.covered[name]).length > 0;
  return html`<div class="report">
    <section aria-label="Findings">
      ${report.why && html`<p class="notice bad"><${Icon} name="warn" /> <bdi>${report.why}</bdi></p>`}
      ${others.map((finding) => html`<${Finding} key=${finding.number} finding=${finding} subject=${subject} />`)}
      ${!others.length && !report.why && html`<p class="notice good"><${Icon} name="done" />Nothing was found against it, within the bounds below.</p>`}
    </section>
    <div class="halves">
      <${Card} title="Levels" flush><${Levels} report=${report} /><//>
      <${Card} title="How far was looked" flush><${Bounds} report=${report} /><//>
    </div>
    ${report.not_covered?.length > 0 && html`<${Card} title="Not covered"><ul class="plain">${report.not_covered.map((one) => html`<li key=${one}><${Prose} text=${one} /></li>`)}</ul><//>`}
    ${report.accepted_bounds?.length > 0 && html`<${Card} title="Accepted bounds" class="card alarming"><ul class="plain">${report.accepted_bounds.map((one) => html`<li key=${one}><${Prose} text=${one} /></li>`)}</ul><//>`}
    <${Properties} subject=${subject} findings=${others} />
    ${is("actions") && html`<${Covered} subject=${subject} />`}
    <${Survivors} subject=${subject} known=${survivors} />
  </div>`;
}

const LEVEL_ICONS = { passes: "done", fails: "close", unknown: "info", skipped: "rest" };

const Levels = ({ report }) => html`<ul class="rows levels">
  ${(report.levels ?? []).map((level) => html`<li key=${level.level} class=${level.verdict}>
    <${Icon} name=${LEVEL_ICONS[level.verdict]} /><span class="n">${level.level}</span><strong>${level.name}</strong>
    <span class="grow">${level.verdict}${level.why && html`<span class="muted">: ${level.why}</span>`}</span>
    <span class="muted">${told(level)}</span>
  </li>`)}
</ul>`;

function told(level) {
  const counts = [["states", "state"], ["steps", "step"]].filter(([name]) => level[name]).map(([name, one]) => plural(level[name], one));
  if (level.depth) counts.push(`depth ${level.depth}`);
  if (level.verdict !== "skipped") counts.push(duration(level.seconds * 1_000));
  return counts.join(", ");
}

function Bounds({ report }) {
  const { covered = {} } = report;
  const rows = [
    ["instances", Object.entries(covered.bounds ?? {}).map(([name, n]) => `${number(n)} ${n === 1 ? name.replace(/^principals$/, "principal") : name}`).join(", ")],
    ["searched", covered.exhaustive],
    ["proved for all values", (covered.proved ?? []).join(", ")],
    ["alike", (covered.alike ?? []).join(", ")],
    ["migrated", covered.migrated && `${number(covered.migrated.states)} states of the version before, ${number(covered.migrated.images)} images`],
    ["fingerprint", covered.fingerprint && html`<code>${covered.fingerprint}</code>`],
    ["verifier", report.verifier],
    ["found", report.cached && `in an earlier run, ${report.cached}`],
  ].filter(([, text]) => text);
  if (!rows.length) return html`<p class="muted pad">Nothing was searched.</p>`;
  return html`<dl class="facts pad">${rows.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd><bdi>${text}</bdi></dd></div>`)}</dl>`;
}

/** Every property with what became of it. */
function Properties({ subject, findings }) {
  const { description, report } = subject;
  if (!description?.graph) return null;
  const all = [
    ...description.graph.properties.map((one) => ({ ...one, of: "" })),
    ...description.graph.blueprints.flatMap((b) => b.properties.map((one) => ({ ...one, of: b.name }))),
  ];
  if (!all.length) return null;
  const searched = report.levels?.some(({ level, verdict }) => level === 2 && verdict !== "skipped");
  const proved = new Set(report.covered?.proved ?? []);
  const verdictOf = (one) => {
    const found = findings.find(({ property, code }) => property === one.name && code !== "LT405");
    if (found) return [found.severity === "error" ? "fails" : "warned", found.code, found];
    if (!searched) return ["skipped", "not searched"];
    return proved.has(one.name) || proved.has(`${one.of}.${one.name}`) ? ["passes", "proved for all values"] : ["passes", "holds within the bounds"];
  };
  return html`<${Card} title="Properties" flush><div class="scroll" tabindex="0" role="group" aria-label="Properties"><table class="properties">
    <thead><tr><th><span class="sr">verdict</span></th><th>name</th><th>kind</th><th>says</th><th>at</th></tr></thead>
    <tbody>${all.map((one) => {
      const [verdict, said] = verdictOf(one);
      return html`<tr key=${one.of + one.name} class=${verdict}>
        <td title=${said}><${Icon} name=${verdict === "warned" ? "warn" : LEVEL_ICONS[verdict]} /><span class="sr">${said}</span></td>
        <td><bdi>${one.of && html`<span class="muted">${one.of} </span>`}<strong>${one.name}</strong></bdi>${one.doc && html`<div class="muted"><bdi>${one.doc}</bdi></div>`}</td>
        <td>${one.kind}</td><td><code><bdi>${one.text}</bdi></code></td>
        <td><a href=${to(...subject.base, "source", { file: one.file, line: one.line })}>${one.line}</a></td></tr>`;
    })}</tbody>
  </table></div><//>`;
}

function Covered({ subject }) {
  const { covered } = subject.report;
  const groups = [["actions", "action", "taken"], ["states", "state", "entered"], ["effects", "end of an effect", "seen"], ["policies", "policy", "decisive"]];
  const link = html`<a href=${to(...subject.base, "graph", { upon: "coverage" })}>on the graph</a>`;
  return html`<${Card} title="Coverage" aside=${subject.api || subject.description ? link : null}>
    <div class="covered">${groups.filter(([name]) => Object.keys(covered[name] ?? {}).length).map(([name, , verb]) => {
      const all = Object.entries(covered[name]);
      const never = all.filter(([, n]) => !n);
      return html`<div key=${name}><p><strong>${all.length - never.length} of ${all.length}</strong> ${name} ${verb}</p>
        ${never.length > 0 && html`<p class="never">never: ${never.map(([one]) => html`<code key=${one}><bdi>${one}</bdi></code> `)}</p>`}</div>`;
    })}</div>
  <//>`;
}

/** Single changes that nothing would notice: those that the report has, or asked for now. */
function Survivors({ subject, known }) {
  const [state, setState] = useState({});
  const found = state.found?.findings ?? known;
  const run = async () => {
    setState({ busy: true });
    try {
      setState({ found: (await asked("POST", `${subject.api}/survivors`)).data });
    } catch (problem) {
      setState({ problem });
    }
  };
  if (!subject.api && !known.length) return null;
  const isAdmitted = subject.report.verdict === "admitted";
  const score = state.found;
  return html`<${Card} title="What nothing would notice" aside=${score && html`<strong>${score.percent} %</strong> <span class="muted">${score.killed} of ${score.tried - score.equivalent} changes noticed${score.left ? `, ${score.left} not tried` : ""}</span>`}>
    ${found.length > 0 && html`<ul class="plain survivors">${found.map((one) => html`<li key=${one.file + one.line + one.message}>
      <a href=${to(...subject.base, "source", { file: one.file, line: one.line })}>${one.file}:${one.line}</a> <${Prose} text=${one.message} /></li>`)}</ul>`}
    ${score && !found.length && html`<p>Every change that was tried is noticed.</p>`}
    ${!score && subject.api && html`<p class="muted">Mutation testing makes single changes to the app, and checks each. A change that is admitted without a warning is a question: is that as good?</p>`}
    ${state.problem && html`<${Trouble} problem=${state.problem} />`}
    ${!score && subject.api && html`<p><button class="small" disabled=${!isAdmitted || state.busy} onClick=${run}>${state.busy ? "Trying changes, up to a minute" : "Try changes"}</button>
      ${!isAdmitted && html` <span class="muted">once it is admitted</span>`}</p>`}
  <//>`;
}
