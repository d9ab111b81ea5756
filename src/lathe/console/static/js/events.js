// One stream of events for the whole tab. It is taken up where it broke off, rests while nobody looks, and
// hands what came to whoever listens once a frame, however much that is.
import { get } from "./api.js";
import { signal, useEffect, useState } from "./ui.js";

const KINDS = ["create", "act", "timer", "start", "execute", "end", "stop", "deliver", "notify", "migrate"];
const RECENT_LIMIT = 400;
const RESTS_AFTER_MS = 30_000;
const WAITS_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** `connecting`, `open`, `resting` (the tab is hidden) or `lost` (the server is gone). */
export const connection = signal("connecting");
/** The newest events, newest first. */
export const recent = signal([]);
/**
 * How often the stream opened. Notices are not repeated, so whoever shows what they announce asks for it again then:
 * they may have been missed since it was loaded.
 */
export const opens = signal(0);
/** How often the stream opened again, after the server was gone or the tab rested: what is shown may be old. */
export const returns = signal(0);

const NOTICES = ["version", "check", "simulation", "decision"];
const listeners = new Set();
const noticed = new Set();
let source = null;
let last = null;
let began = 0;
let waiting = [];
let frame = 0;
let failures = 0;
let retry = 0;
let rest = 0;

/**
 * Call `listener` with each batch of events, oldest first, and with those among them that were not committed before
 * this tab began to follow; gives the function that ends it.
 */
export function onEvents(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Call `listener(kind, data)` with what stands in no journal: `version` (another is in force), `check`, `simulation`, `decision`. */
export function onNotice(listener) {
  noticed.add(listener);
  return () => noticed.delete(listener);
}

/** A number that grows when `listen(soon)` calls `soon`, at most once in `everyMs`, and when the stream opens again. */
function useCount(listen, everyMs) {
  const [fresh, setFresh] = useState(0);
  useEffect(() => {
    let timer = 0;
    const ended = listen(() => {
      if (!timer) timer = setTimeout(() => ((timer = 0), setFresh((n) => n + 1)), everyMs);
    });
    return () => (ended(), clearTimeout(timer));
  }, []);
  return fresh + returns.value;
}

/** The same for the events that `matters` picks. */
export function useFresh(matters, everyMs = 400) {
  return useCount((soon) => onEvents((events) => events.some(matters) && soon()), everyMs);
}

/** The same for notices. */
export function useNotices(matters, everyMs = 0) {
  return useCount((soon) => onNotice((kind, data) => matters(kind, data) && soon()), everyMs);
}

export const isDecision = (kind) => kind === "decision";

/** Begin, with the newest events before now. */
export async function follow() {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(rest);
    if (document.hidden) rest = setTimeout(pause, RESTS_AFTER_MS);
    else if (connection.value === "resting") connect();
  });
  addEventListener("online", () => connection.value === "lost" && connect());
  await connect();
}

/** Go on at once, without waiting for the next attempt. */
export function retryNow() {
  failures = 0;
  connect();
}

function pause() {
  close();
  connection.value = "resting";
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

async function connect() {
  close();
  if (last === null) {
    try {
      const { position } = await get("/v1/apps");
      began = position;
      last = Math.max(0, position - RECENT_LIMIT / 2);
    } catch (problem) {
      if (problem.status === 401) return;
      lost();
      return;
    }
  }
  source = new EventSource(`/v1/events?after=${last}`);
  source.onopen = opened;
  source.onerror = () => {
    // The browser's own attempts are given up: they tell nobody when the server is back.
    close();
    lost();
  };
  for (const kind of KINDS) source.addEventListener(kind, received);
  for (const kind of NOTICES) {
    source.addEventListener(kind, ({ data }) => {
      const told = JSON.parse(data);
      for (const listener of noticed) listener(kind, told);
    });
  }
}

function opened() {
  failures = 0;
  connection.value = "open";
  if (opens.value > 0) returns.value += 1;
  opens.value += 1;
}

function lost() {
  if (failures > 0 || connection.value !== "open") connection.value = "lost";
  else connection.value = "connecting";
  const wait = WAITS_MS[Math.min(failures, WAITS_MS.length - 1)];
  failures += 1;
  retry = setTimeout(connect, wait);
}

function received(message) {
  last = Number(message.lastEventId);
  waiting.push(JSON.parse(message.data));
  if (!frame) frame = document.hidden ? setTimeout(deliver, 250) : requestAnimationFrame(deliver);
}

function deliver() {
  frame = 0;
  const batch = waiting;
  waiting = [];
  recent.value = [...batch.slice(-RECENT_LIMIT).reverse(), ...recent.value].slice(0, RECENT_LIMIT);
  const news = batch.filter(({ position }) => position > began);
  for (const listener of listeners) listener(batch, news);
}
