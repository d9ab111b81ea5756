// The rows of a list as far as they were asked for, kept up to date by the events.
import { Problem, at, get } from "./api.js";
import { onEvents, returns } from "./events.js";
import { useCallback, useEffect, useRef, useState } from "./ui.js";

const PAGE = 200;

/** A list's address with what is asked for. */
export function address(app, plural, asked) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) if (value) params.set(name, value);
  return at(app, plural) + (params.size ? `?${params}` : "");
}

/**
 * The entities of a list: `{rows, hasMore, more, problem, loading, born, reload}`. A row that changes is changed
 * where it stands and marked; one that is created is counted in `born` until the list is asked for again.
 */
export function useList(app, plural, blueprint, asked) {
  const [state, setState] = useState({ rows: [], next: null, problem: null, loading: true, born: 0 });
  const path = address(app, plural, { ...asked, limit: PAGE });
  const current = useRef({});
  const load = useCallback(
    async (isFirst) => {
      const mine = current.current;
      const next = isFirst ? null : mine.next;
      if (mine.busy || (!isFirst && next === null)) return;
      mine.busy = true;
      try {
        const page = await get(next ? `${path}&cursor=${encodeURIComponent(next)}` : path, { signal: mine.stop.signal });
        if (mine !== current.current) return;
        mine.next = page.next;
        // The rows grow where they are: a hundred thousand of them are not copied for every page.
        if (!next) [mine.rows, mine.index] = [[], new Map()];
        const { rows, index } = mine;
        for (const item of page.items) index.set(item.id, rows.push(item) - 1);
        setState((before) => ({ ...before, rows, next: page.next, problem: null, loading: false, born: next ? before.born : 0 }));
      } catch (problem) {
        if (mine !== current.current || mine.stop.signal.aborted) return;
        const keeps = !(problem instanceof Problem);
        setState((before) => ({ ...before, rows: keeps ? before.rows : [], next: null, problem, loading: false }));
      } finally {
        mine.busy = false;
      }
    },
    [path],
  );
  useEffect(() => {
    current.current = { stop: new AbortController(), busy: false, next: null, rows: [], index: new Map() };
    setState((before) => ({ ...before, loading: true }));
    load(true);
    return () => current.current.stop.abort();
  }, [path, returns.value]);
  useEffect(
    () =>
      onEvents((events, news) => {
        const mine = events.filter((one) => one.app === app && one.blueprint === blueprint);
        if (!mine.length) return;
        const { rows, index } = current.current;
        let born = 0;
        for (const event of mine) {
          const place = index.get(event.entity);
          if (place !== undefined) rows[place] = changed(rows[place], event);
          else if (event.kind === "create" && news.includes(event)) born += 1;
        }
        setState((before) => ({ ...before, born: before.born + born }));
      }),
    [app, blueprint, path],
  );
  return {
    ...state,
    hasMore: state.next !== null,
    more: () => load(false),
    reload: () => {
      current.current.busy = false;
      return load(true);
    },
  };
}

/** A row after an event: what it tells is newer than what the list said. */
function changed(row, event) {
  if (event.version <= row.version) return row;
  const fields = { ...row.fields };
  for (const [name, [, after]] of Object.entries(event.changes)) if (name in fields) fields[name] = after;
  return { ...row, state: event.state, version: event.version, visit: event.visit, fields, at: event.time, moved: true };
}
