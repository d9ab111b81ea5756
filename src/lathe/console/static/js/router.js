// Addresses: every view has one, and everything that is chosen on it stands in its query.
import { computed, signal } from "./ui.js";

export const HOME = "/console/";

const here = signal(location.pathname + location.search);

/** Each view: its path below HOME (`:name` is a segment), its module under `pages/`, and its title. */
const VIEWS = [
  { path: "", page: "overview", title: () => "Overview" },
  { path: "apps/:app", page: "app", title: (p) => p.app },
  { path: "apps/:app/entities/:plural", page: "entities", title: (p) => `${p.plural} · ${p.app}` },
  { path: "apps/:app/entities/:plural/:id", page: "entity", title: (p) => `${p.id} · ${p.app}` },
  { path: "apps/:app/intents", page: "intents", title: (p) => `Intents · ${p.app}` },
  { path: "access", page: "access", title: () => "Agents and tokens" },
  { path: "decisions", page: "decisions", title: () => "Decisions" },
  { path: "audit", page: "audit", title: () => "Audit" },
];

/** Let a page module add its addresses: `views.js` lists them. */
export function addViews(views) {
  VIEWS.push(...views);
}

/** The address as a path below HOME and the query's parameters. */
export const query = computed(() => new URL(here.value, location.origin).searchParams);
export const path = computed(() => {
  const pathname = new URL(here.value, location.origin).pathname;
  return pathname.startsWith(HOME) ? pathname.slice(HOME.length).replace(/\/$/, "") : "";
});

/** The view at the address: `{page, params, title}`. */
export const view = computed(() => {
  const given = path.value.split("/");
  for (const one of VIEWS) {
    const params = matched(one.path.split("/"), given);
    if (params) return { page: one.page, params, title: one.title(params) };
  }
  return { page: "nothing", params: {}, title: "Nothing here" };
});

function matched(pattern, given) {
  if (pattern.length !== given.length) return null;
  const params = {};
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i].startsWith(":")) {
      try {
        params[pattern[i].slice(1)] = decodeURIComponent(given[i]);
      } catch {
        return null;
      }
      if (!given[i]) return null;
    } else if (pattern[i] !== given[i]) return null;
  }
  return params;
}

/** The address of a view: segments are escaped, empty parameters left out. */
export function to(...segments) {
  const params = typeof segments.at(-1) === "object" ? segments.pop() : {};
  const asked = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== undefined && v !== null && v !== ""));
  const tail = asked.size ? `?${asked}` : "";
  return HOME + segments.map(encodeURIComponent).join("/") + tail;
}

/** Go to an address; `replace` takes the place of the one before in the history. */
export function go(address, { replace = false } = {}) {
  if (address === here.value) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  here.value = address;
  if (!replace) scrollTo(0, 0);
}

/** Change parameters of the query, and stay on the view. */
export function ask(changes, { replace = true } = {}) {
  const params = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
  go(location.pathname + (params.size ? `?${params}` : ""), { replace });
}

/** Follow links and the browser's buttons without loading the page anew. */
export function listen() {
  addEventListener("popstate", () => (here.value = location.pathname + location.search));
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(HOME)) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
}
