// Two versions of a blueprint's diagram as one: every part of both, each marked added, removed, changed or the same.

const PLACE = new Set(["file", "line", "column", "mark"]);

/** Whether two parts say the same, wherever they stand in the text. */
export function same(a, b) {
  const text = (part) => JSON.stringify(part, (name, found) => (PLACE.has(name) ? undefined : found));
  return text(a) === text(b);
}

function merged(before, after, key, inner = (one) => one) {
  const old = new Map(before.map((one) => [key(one), one]));
  const found = after.map((one) => {
    const was = old.get(key(one));
    old.delete(key(one));
    return { ...inner(one, was), mark: was === undefined ? "added" : same(was, one) ? "" : "changed" };
  });
  return [...found, ...[...old.values()].map((one) => ({ ...inner(one, one), mark: "removed" }))];
}

const labels = (before = [], after = []) => merged(before, after, (label) => `${label.action} ${label.origin}`);

/** The diagram of `after` with what `before` had besides. Either may be missing: then all is new, or gone. */
export function union(before, after) {
  if (!before || !after) {
    const only = after ?? before;
    const mark = after ? "added" : "removed";
    const all = (parts) => parts.map((one) => ({ ...one, mark }));
    return { ...only, states: all(only.states), edges: all(only.edges), mark };
  }
  const state = (one, was) => ({
    ...one,
    chips: labels(was?.chips ?? one.chips, one.chips),
    loops: labels(was?.loops ?? one.loops, one.loops),
    stays: labels(was?.stays ?? one.stays, one.stays),
  });
  const edge = (one, was) => ({ ...one, labels: labels(was?.labels ?? one.labels, one.labels) });
  return {
    ...after,
    states: merged(before.states, after.states, (one) => one.name, state),
    edges: merged(before.edges, after.edges, (one) => `${one.source} ${one.target}`, edge),
    anywhere: labels(before.anywhere, after.anywhere),
  };
}

/** The blueprints of two graphs, side by side by name: `[{name, before, after}]`. */
export function paired(before, after) {
  const names = new Set([...(after?.blueprints ?? []), ...(before?.blueprints ?? [])].map((one) => one.name));
  const of = (graph, name) => graph?.blueprints.find((one) => one.name === name);
  return [...names].map((name) => ({ name, before: of(before, name), after: of(after, name) }));
}
