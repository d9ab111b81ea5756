// The API: requests, what went wrong with them, and answers that stay fresh while somebody looks.
import { signal, useEffect, useState } from "./ui.js";

/** An answer that is no success, as the problem document says it. */
export class Problem extends Error {
  constructor(status, document, headers) {
    super(document.detail || document.title || `the runtime answers ${status}`);
    this.status = status;
    this.code = document.code || String(status);
    this.document = document;
    this.retryAfter = headers?.get("retry-after");
  }
}

/** Whether the caller must say who they are first: set by any 401. */
export const unknownCaller = signal(false);

/** A path of segments, each escaped. */
export const at = (...segments) => "/v1/" + segments.map(encodeURIComponent).join("/");

/** Ask, and give the JSON. Raises `Problem`, or `TypeError` when the server cannot be reached. */
export async function ask(method, path, { body, headers = {}, signal: stop } = {}) {
  const sent = { accept: "application/json", ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  if (method !== "GET") sent["x-lathe-request"] = "1";
  const response = await fetch(path, {
    method,
    headers: sent,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: stop,
    credentials: "same-origin",
    cache: "no-store",
  });
  if (response.status === 401 && path !== "/session") unknownCaller.value = true;
  if (response.status === 204) return { data: null, response };
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})), response.headers);
  return { data: await response.json(), response };
}

const asked = new Map();

/** The JSON at a path. Who asks for it while somebody else does is given the same answer; with a signal of its own, not. */
export function get(path, options) {
  if (options) return ask("GET", path, options).then(({ data }) => data);
  if (!asked.has(path)) asked.set(path, ask("GET", path).then(({ data }) => data).finally(() => asked.delete(path)));
  return asked.get(path);
}

/** A key under which a command may be sent again and is taken once. */
export const newKey = () => `console-${crypto.randomUUID()}`;

const kept = new Map();
const KEPT_LIMIT = 60;

/**
 * What stands at a path, asked again whenever `fresh` changes: `{data, problem, loading, reload}`.
 * The answer before is shown until the new one is there, also after coming back to a view.
 */
export function useGet(path, fresh) {
  const [state, setState] = useState(() => ({ path, data: kept.get(path), problem: null, loading: true }));
  const [again, setAgain] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const stop = new AbortController();
    get(path, { signal: stop.signal }).then(
      (data) => {
        keep(path, data);
        setState({ path, data, problem: null, loading: false });
      },
      (problem) => {
        if (stop.signal.aborted) return;
        const data = problem instanceof Problem ? undefined : kept.get(path);
        setState({ path, data, problem, loading: false });
      },
    );
    return () => stop.abort();
  }, [path, fresh, again]);
  const current = state.path === path ? state : { data: kept.get(path), problem: null, loading: true };
  return { ...current, reload: () => setAgain((n) => n + 1) };
}

function keep(path, data) {
  kept.delete(path);
  kept.set(path, data);
  if (kept.size > KEPT_LIMIT) kept.delete(kept.keys().next().value);
}
