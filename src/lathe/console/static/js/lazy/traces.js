// A trace (`lathe.trace/1`) as something to walk through: what every entity is at each step, and what changed.
import { value } from "../format.js";

const COMMITTED = new Set(["create", "act", "timer", "end", "notify", "deliver"]);
const BETWEEN = {
  start: "starts", execute: "is executed", stop: "has stopped", late: "is executed late", notify: "is sent",
  deliver: "arrives", end: "ends", swap: "takes over", given: "as it was",
};
const WORLD = "the world";

export const partsOf = (step) => [
  { entity: step.entity, action: step.action, by: step.part_by ?? step.by, args: step.args ?? {}, changes: step.changes ?? {} },
  ...(step.also ?? []),
];

/** Whether it adds to the length of a trace: a committed step, or the refused one that ends it. */
export function counts(step) {
  const took = partsOf(step).some(({ action }) => action !== null && action !== undefined);
  return step.refused !== undefined || step.event === "swap" || (took && COMMITTED.has(step.event));
}

/** What a step is called: its action, or what befell the effect. */
export function named(step) {
  if (step.action) return step.action;
  const end = step.ok === undefined ? "" : step.ok ? " well" : " badly";
  return `${step.effect ? `${step.effect} ` : ""}${BETWEEN[step.event] ?? step.event}${end}`;
}

/** Who took a step, with who it was where that is told. */
export const whoOf = (step) => (step.effect && !counts(step) ? `effect:${step.effect}` : step.by + (step.actor ? ` ${step.actor}` : ""));

/**
 * The frames of a trace: frame 0 is before anything, frame `i` after step `i`. Each is
 * `{step, number, index, changed, entities, isLoopStart}`; `entities` maps an entity to its values by name.
 */
export function frames(trace) {
  const entities = new Map();
  const found = [{ index: 0, step: null, number: 0, changed: [], entities: new Map() }];
  let number = 0;
  trace.steps.forEach((step, i) => {
    if (counts(step)) number += 1;
    const changed = [];
    for (const part of partsOf(step)) change(entities, changed, part.entity, part.changes);
    change(entities, changed, WORLD, step.world ?? {});
    const now = new Map([...entities].map(([name, values]) => [name, values]));
    found.push({ index: i + 1, step, number: counts(step) ? number : null, changed, entities: now, isLoopStart: trace.loop_from === i });
  });
  return found;
}

function change(entities, changed, entity, changes) {
  const names = Object.entries(changes);
  if (!names.length) return;
  const values = new Map(entities.get(entity));
  for (const [name, [before, after]] of names) {
    values.set(name, after);
    changed.push({ entity, name, before, after });
  }
  entities.set(entity, values);
}

/** The values that are set and that no change of a part tells already. */
const unsaid = (values, part) =>
  Object.entries(values).filter(([name, given]) => given !== null && JSON.stringify(part.changes[name]?.[1]) !== JSON.stringify(given));

/** What changed in a step, in a line: `rolling → failed, ready 3 → 2`. */
export function changesLine(part) {
  const told = [];
  const { state, ...others } = part.changes;
  if (state) told.push(`${state[0] === null ? "" : `${value(state[0])} `}→ ${value(state[1])}`);
  for (const [name, [before, after]] of Object.entries(others)) {
    if (before === after) continue;
    told.push(before === null ? `${name} = ${value(after)}` : `${name} ${value(before)} → ${value(after)}`);
  }
  const news = unsaid(part.args ?? {}, part);
  if (news.length) told.unshift(`with ${news.map(([name, given]) => `${name} = ${value(given)}`).join(", ")}`);
  return told.join(", ");
}

/** Everything a step says, in a line: its changes, what it brought, what it did outside, why it was refused. */
export function stepLine(step) {
  const told = partsOf(step).map((part, i) => (i ? `also ${part.entity} ${part.action}: ` : "") + changesLine(part)).filter(Boolean);
  if (step.cause) told.push(`(${step.cause})`);
  const results = step.ok && step.results ? unsaid(step.results, partsOf(step)[0]) : [];
  if (results.length) told.push(results.map(([name, given]) => `${name} = ${value(given)}`).join(", "));
  for (const [name, [before, after]] of Object.entries(step.world ?? {})) told.push(`${name} ${value(before)} → ${value(after)}`);
  if (step.refused) told.push(`refused: ${step.refused}`);
  return told.join("; ");
}

/** Who appears in it: those who act on the left, entities on the right, in the order in which they come. */
export function actorsOf(trace) {
  const left = new Set(), right = new Set();
  for (const step of trace.steps) {
    left.add(whoOf(step));
    for (const part of partsOf(step)) right.add(part.entity);
  }
  return { left: [...left], right: [...right] };
}

export const blueprintOf = (entity) => entity.split("#")[0];

/** Where a run is at a frame and what it saw before, for the graph of one entity. */
export function runAt(all, at, entity) {
  const seen = new Set(), ways = new Set();
  let state = null, from = null, action = null;
  for (const frame of all.slice(0, at + 1)) {
    for (const part of frame.step ? partsOf(frame.step) : []) {
      if (part.entity !== entity) continue;
      action = part.action;
      if (part.changes.state) {
        from = part.changes.state[0];
        state = part.changes.state[1];
        seen.add(state);
        ways.add(from === null ? "\u0000start" : `${from} ${state}`);
      } else from = state;
    }
    if (frame.index === at && frame.step && !partsOf(frame.step).some((part) => part.entity === entity)) action = null;
  }
  return { at: state, from, action, seen, ways };
}

/** A trace for an agent or a colleague: the message, the lines of the source, the steps, the false clause. */
export function markdown({ trace, finding, files, where }) {
  const lines = [];
  if (finding) {
    lines.push(`# ${finding.code}${finding.property ? ` ${finding.property}` : ""}`, "", finding.message, "");
    if (finding.file) lines.push(`At \`${finding.file}:${finding.line}:${finding.column}\`:`, "", "```toml", ...excerptOf(finding, files), "```", "");
  } else lines.push(`# Trace ${trace.id}`, "");
  const one = new Set(trace.steps.map((step) => step.entity)).size === 1;
  lines.push(`A run of \`${trace.app}\`${one ? `, entity ${trace.steps[0]?.entity}` : ""} (\`${trace.digest.slice(0, 19)}\`), ${trace.length} steps:`, "", "```text");
  for (const frame of frames(trace).slice(1)) {
    if (frame.isLoopStart) lines.push("from here on, again and again:");
    const head = [String(frame.number ?? "·").padStart(3), whoOf(frame.step).padEnd(16), named(frame.step).padEnd(14)];
    if (!one) head.push(frame.step.entity.padEnd(12));
    lines.push(`${head.join(" ")} ${stepLine(frame.step)}`.trimEnd());
  }
  lines.push("```");
  for (const { text, values } of trace.clauses ?? []) {
    const read = Object.entries(values).map(([name, found]) => `${name} = ${value(found)}`).join(", ");
    lines.push("", `False: \`${text}\`${read ? ` with ${read}` : ""}`);
  }
  if (finding?.help) lines.push("", `Help: ${finding.help}`);
  if (finding?.repeat) lines.push("", `Repeat it: \`${finding.repeat}\``);
  if (where) lines.push("", where);
  return `${lines.join("\n")}\n`;
}

/** The lines around a finding, numbered, the one that is meant marked. */
function excerptOf(finding, files) {
  const text = files?.[finding.file]?.split("\n");
  const first = text ? Math.max(1, finding.line - 3) : (finding.excerpt?.line ?? finding.line);
  const shown = text ? text.slice(first - 1, finding.line + 3) : (finding.excerpt?.lines ?? []);
  return shown.map((line, i) => `${first + i === finding.line ? ">" : " "} ${String(first + i).padStart(4)} | ${line}`);
}
