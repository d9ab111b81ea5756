// How many entities are in each state, kept up to date by the events: `/v1/apps`, asked seldom.
import { get } from "./api.js";
import { onEvents, returns } from "./events.js";
import { statesOf } from "./places.js";
import { effect, signal, useEffect } from "./ui.js";

const CORRECTED_EVERY_MS = 10_000;

/** `{position, items}` of `/v1/apps`, with what the events changed since; null before the first answer. */
export const living = signal(null);
export const livingProblem = signal(null);

let users = 0;
let timer = 0;
let stale = false;

async function load() {
  stale = false;
  try {
    living.value = await get("/v1/apps");
    livingProblem.value = null;
    const states = living.value.items.flatMap(({ app, blueprints }) =>
      blueprints.map((one) => [`${app}/${one.blueprint}`, one]),
    );
    statesOf.value = new Map(states);
  } catch (problem) {
    livingProblem.value = problem;
  }
}

/** Keep the counts fresh while a part is shown. */
export function useLiving() {
  useEffect(() => {
    if (users++ === 0) begin();
    return () => --users === 0 && end();
  }, []);
  return { data: living.value, problem: livingProblem.value, reload: load };
}

let endings = [];

function begin() {
  load();
  timer = setInterval(() => stale && !document.hidden && load(), CORRECTED_EVERY_MS);
  let first = true;
  endings = [
    onEvents(count),
    effect(() => {
      void returns.value;
      if (!first) load();
      first = false;
    }),
  ];
}

function end() {
  clearInterval(timer);
  for (const ending of endings) ending();
}

/** What a batch of events moves from state to state. Where it does not say from which, the next answer does. */
function count(events) {
  const data = living.peek();
  if (!data) return;
  const moves = new Map();
  const move = (key, by) => moves.set(key, (moves.get(key) ?? 0) + by);
  for (const event of events) {
    if (event.position <= data.position) continue;
    stale = true;
    const key = `${event.app}/${event.blueprint}/`;
    if (event.kind === "create") move(key + event.state, 1);
    else if (event.changes.state) {
      move(key + event.changes.state[0], -1);
      move(key + event.state, 1);
    }
  }
  if (!moves.size) return;
  const moved = (app, one, state) => {
    const by = moves.get(`${app}/${one.blueprint}/${state.state}`);
    return by ? { ...state, count: Math.max(0, state.count + by) } : state;
  };
  living.value = {
    position: events.at(-1).position,
    items: data.items.map((item) => ({
      ...item,
      blueprints: item.blueprints.map((one) => ({
        ...one,
        states: one.states.map((state) => moved(item.app, one, state)),
      })),
    })),
  };
}
