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

/** The runs of effects: `{effect, number, from, to, ok}`; one that is not over has no `to`. */
export function runsOf(events) {
  const runs = new Map();
  for (const event of events) {
    if (!event.effect || event.number === undefined) continue;
    const key = event.number;
    const at = Date.parse(event.time);
    const run = runs.get(key) ?? { effect: event.effect, number: key, from: at, to: null, ok: null };
    if (event.kind === "end") Object.assign(run, { to: at, ok: event.ok !== false });
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

const IDLE_SHARE = 0.12;
const IDLE_MS = 2_000;

/**
 * A scale of time without its idle stretches: spans in which nothing begins or ends are drawn at one width if they
 * are long. Gives `{x(ms), breaks: [{from, to, x, width}], width}` for moments in ms, over `width` units.
 */
export function scaleOf(moments, width, gap = 34) {
  const times = [...new Set(moments)].sort((a, b) => a - b);
  const spans = times.slice(1).map((to, i) => ({ from: times[i], to, ms: to - times[i] }));
  let busy = spans.reduce((sum, { ms }) => sum + ms, 0);
  const idle = new Set();
  // The longest span is idle if it is more than its share of what is left; then the next is asked.
  for (const span of [...spans].sort((a, b) => b.ms - a.ms)) {
    if (span.ms < IDLE_MS || span.ms < IDLE_SHARE * busy || idle.size > 12) break;
    idle.add(span);
    busy -= span.ms;
  }
  const room = Math.max(40, width - idle.size * gap);
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
