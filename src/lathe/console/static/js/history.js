// An entity's journal as visits and spans: what lasted how long, and what ran beside it.

const QUIET = new Set(["start", "execute", "stop", "deliver", "notify"]);

/** Whether an event is a change that a person would name, and not the bookkeeping of an effect. */
export const isLoud = (event) => event.action !== null || !QUIET.has(event.kind);

/** The visits of a journal (oldest first), the last one open: `{state, from, to, by}`; times in ms. */
export function visitsOf(events) {
  const visits = [];
  for (const event of events) {
    const last = visits.at(-1);
    if (last && last.visit === event.visit && last.state === event.state) continue;
    const at = Date.parse(event.time);
    if (last) last.to = at;
    visits.push({ state: event.state, visit: event.visit, from: at, to: null, action: event.action });
  }
  return visits;
}

/** What ends a run: a call of another entity and a notice have no start of their own, and are over at once. */
const ENDS = new Set(["end", "deliver", "notify"]);

/** The runs of effects: `{effect, number, from, to, ok}`; one that is not over has no `to`. */
export function runsOf(events) {
  const runs = new Map();
  for (const event of events) {
    if (!event.effect || event.number === undefined) continue;
    const key = event.number;
    const at = Date.parse(event.time);
    const run = runs.get(key) ?? { effect: event.effect, number: key, from: at, to: null, ok: null };
    if (ENDS.has(event.kind)) Object.assign(run, { to: at, ok: event.ok !== false });
    if (event.kind === "stop") Object.assign(run, { to: at, ok: null });
    runs.set(key, run);
  }
  return [...runs.values()];
}

/** Who wrote each field last: `{name: event}`. */
export function writersOf(events) {
  const writers = {};
  for (const event of events) for (const name of Object.keys(event.changes)) writers[name] = event;
  return writers;
}

const IDLE_TIMES = 6;
const IDLE_MS = 2_000;

/** From how many ms on a span is idle: where the spans, by length, leap to a multiple of the one before. */
function idleFrom(spans) {
  const lengths = spans.map(({ ms }) => ms).sort((a, b) => a - b);
  const leap = lengths.findIndex((ms, i) => i > 0 && ms >= IDLE_MS && ms >= IDLE_TIMES * lengths[i - 1]);
  return leap < 0 ? Infinity : lengths[leap];
}

/**
 * A scale of time without its idle stretches: spans that are far longer than the others, and in which nothing begins
 * or ends, are drawn at one width. Gives `{x(ms), breaks: [{from, to, x, width}], width}` for moments in ms, over `width` units.
 */
export function scaleOf(moments, width, gap = 34) {
  const times = [...new Set(moments)].sort((a, b) => a - b);
  const spans = times.slice(1).map((to, i) => ({ from: times[i], to, ms: to - times[i] }));
  const from = idleFrom(spans);
  const idle = new Set(spans.filter(({ ms }) => ms >= from));
  const busy = spans.reduce((sum, span) => sum + (idle.has(span) ? 0 : span.ms), 0);
  const room = Math.max(width / 3, width - idle.size * gap);
  const at = new Map();
  const breaks = [];
  let x = 0;
  times.forEach((time, i) => {
    at.set(time, x);
    const span = spans[i];
    if (!span) return;
    const wide = idle.has(span) ? gap : busy > 0 ? (span.ms / busy) * room : room / Math.max(1, spans.length);
    if (idle.has(span)) breaks.push({ ...span, x, width: gap });
    x += wide;
  });
  const whole = x || 1;
  return { x: (ms) => ((at.get(ms) ?? 0) / whole) * width, breaks: breaks.map((one) => ({ ...one, x: (one.x / whole) * width, width: (one.width / whole) * width })), width };
}
