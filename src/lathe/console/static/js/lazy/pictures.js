// The graph of each blueprint, with live counts, coverage or the difference upon it, and what is picked beside it.
import { useLiving } from "../counts.js";
import { number } from "../format.js";
import { useKeys } from "../keys.js";
import { Card } from "../parts/bits.js";
import { ask, query, to } from "../router.js";
import { html, useMemo } from "../ui.js";
import { lineLink } from "./findings.js";
import { Graph, Legend } from "./graph.js";
import { Described } from "./described.js";
import { paired, union } from "./union.js";

const UPON = { counts: "live counts", coverage: "coverage", changes: "changes", nothing: "nothing" };

export const Pictures = ({ subject }) => html`<${Described} subject=${subject}>${(told) => html`<${Drawn} subject=${subject} told=${told} />`}<//>`;

function Drawn({ subject, told }) {
  const { data: living } = useLiving();
  const item = living?.items.find(({ app }) => app === subject.app);
  const covers = Object.keys(subject.report.covered?.actions ?? {}).length > 0;
  const can = Object.keys(UPON).filter((name) => (name !== "counts" || item) && (name !== "coverage" || covers) && (name !== "changes" || told.diff));
  const wanted = query.value.get("upon");
  const upon = can.includes(wanted) ? wanted : subject.kind === "version" && item ? "counts" : told.diff ? "changes" : covers ? "coverage" : "nothing";
  const picked = query.value.get("pick");
  const pick = (name) => ask({ pick: name === picked ? null : name });
  useKeys({ Escape: { does: () => (picked ? ask({ pick: null }) : false) } }, [picked]);
  const pairs = useMemo(() => paired(upon === "changes" ? told.diff?.graph : null, told.graph), [told, upon]);
  return html`<div>
    <div class="choices" role="group" aria-label="What is drawn upon it">
      <span class="muted">upon it:</span>
      ${can.map((name) => html`<button key=${name} class="small" aria-pressed=${upon === name} onClick=${() => ask({ upon: name })}>${UPON[name]}</button>`)}
      ${upon === "changes" && html`<${Legend} />`}
    </div>
    ${pairs.map(({ name, before, after }) => html`<${One} key=${name} subject=${subject} before=${before} after=${after}
      upon=${upon} item=${item} picked=${picked} onPick=${pick} />`)}
  </div>`;
}

function One({ subject, before, after, upon, item, picked, onPick }) {
  const blueprint = useMemo(() => (upon === "changes" ? union(before, after) : (after ?? before)), [before, after, upon]);
  const states = item?.blueprints.find((one) => one.blueprint === blueprint.name)?.states;
  const counts = upon === "counts" && states ? new Map(states.map(({ state, count }) => [state, count])) : undefined;
  const covered = upon === "coverage" ? { states: {}, actions: {}, ...subject.report.covered } : undefined;
  return html`<${Card} title=${blueprint.name} aside=${html`<span class="muted">${blueprint.doc}</span>`} class="card picture-card">
    <${Graph} blueprint=${blueprint} counts=${counts} covered=${covered} picked=${picked} onPick=${onPick} />
    <${Picked} blueprint=${blueprint} name=${picked} subject=${subject} counts=${counts} />
  <//>`;
}

/** What is known of the state or action that was picked. */
function Picked({ blueprint, name, subject, counts }) {
  const state = blueprint.states.find((one) => one.name === name);
  const action = blueprint.actions.find((one) => one.name === name);
  if (!state && !action) return null;
  const one = state ?? action;
  const covered = subject.report.covered?.[state ? "states" : "actions"]?.[`${blueprint.name}.${name}`];
  const facts = state ? ofState(state, blueprint) : ofAction(action);
  return html`<section class="picked-facts" aria-live="polite" aria-label=${name}>
    <header><h3><bdi>${name}</bdi> <span class="muted">${state ? "state" : "action"}</span></h3>
      <span class="aside">
        ${state && counts && html`<a href=${to("apps", subject.app, "entities", blueprint.plural, { state: name })}>${number(counts.get(name) ?? 0)} now</a>`}
        <a href=${lineLink(subject, one)}>${one.file}:${one.line}</a></span></header>
    ${one.doc && html`<p><bdi>${one.doc}</bdi></p>`}
    <dl class="facts">
      ${facts.filter(([, told]) => told).map(([title, told]) => html`<div key=${title}><dt>${title}</dt><dd><bdi>${told}</bdi></dd></div>`)}
      ${covered !== undefined && html`<div><dt>${state ? "entered" : "taken"}</dt><dd>${covered ? `${number(covered)} times in the search` : "never in the search"}</dd></div>`}
    </dl>
  </section>`;
}

const joined = (words) => words.join(", ");

const ofState = (state, blueprint) => [
  ["runs", state.runs], ["timer", state.timer], ["waits for", state.waits],
  ["left by", joined(blueprint.actions.filter((one) => one.from.includes(state.name)).map((one) => one.name))],
];

const ofAction = (action) => [
  ["from", action.anywhere ? "any state that is not final" : joined(action.from)], ["to", joined(action.to)], ["by", joined(action.by)],
  ["when", action.guard && html`<code>${action.guard}</code>`],
  ["arguments", joined(action.arguments.map((one) => `${one.name}: ${one.type}${one.optional ? "?" : ""}`))],
  ["does", action.does.length > 0 && html`<code>${action.does.join("; ")}</code>`], ["runs", joined(action.runs)], ["also", joined(action.also)],
];
