// Navigation on the side (on top where it is narrow), a banner when the server is gone, the view beside it.
import { unknownCaller, useGet } from "../api.js";
import { connection, retryNow, returns, useFresh } from "../events.js";
import { step, useKeys } from "../keys.js";
import { apps, me, ofApp, open as views } from "../places.js";
import { HOME, go, path, query, to, view } from "../router.js";
import { isDark, theme, toggleTheme } from "../theme.js";
import { Fragment, html, useEffect, useErrorBoundary, useRef, useState } from "../ui.js";
import { Help, helpOpen } from "./help.js";
import { Icon } from "./icon.js";
import { Jump, jumpOpen } from "./jump.js";
import { SignIn, signOut } from "./signin.js";
import { Refusals } from "./refusals.js";

const pages = new Map();

/** Whether an event is of another version than the one that is known: an app was loaded or changed. */
const digests = new Map();
function swapped(event) {
  const before = digests.get(event.app);
  digests.set(event.app, event.digest);
  return before !== undefined && before !== event.digest;
}

/** The module of a page, loaded once. */
function usePage(name) {
  const [, shown] = useState(0);
  useEffect(() => {
    if (pages.has(name)) return;
    import(`../pages/${name}.js`).then(
      (module) => (pages.set(name, module.default), shown((n) => n + 1)),
      (error) => (pages.set(name, () => html`<${Broken} error=${error} />`), shown((n) => n + 1)),
    );
  }, [name]);
  return pages.get(name);
}

const Broken = ({ error, onRetry = () => location.reload() }) => html`<section class="notice bad" role="alert">
  <h1>This page cannot be shown</h1>
  <p>${String(error.message || error)}</p>
  <button onClick=${onRetry}>Try again</button>
</section>`;

/** A page whose fault is told, and does not take the frame around it along. */
function Guarded({ page, params }) {
  const [error, reset] = useErrorBoundary((fault) => reportError(fault));
  if (error) return html`<${Broken} error=${error} onRetry=${reset} />`;
  return html`<${page} ...${params} />`;
}

export function Shell() {
  const { page, params, title } = view.value;
  const Page = usePage(page);
  const main = useRef(null);
  const { data } = useGet("/v1/blueprints", useFresh(swapped, 1_000));
  const { data: caller } = useGet("/v1/me", returns.value);
  useEffect(() => {
    if (data) apps.value = data.items;
  }, [data]);
  useEffect(() => {
    if (caller) me.value = caller;
  }, [caller]);
  useEffect(() => {
    document.title = `${title} · Lathe`;
  }, [title]);
  useEffect(() => {
    // Whoever moves by keyboard or reader starts at the new view, not at the link that led to it.
    main.current?.focus({ preventScroll: true });
  }, [path.value]);
  useShellKeys();
  return html`<${Fragment}>
    <a class="skip" href="#main">Skip to the view</a>
    <${Navigation} params=${params} />
    <div class="stage">
      <${Connection} />
      <${Refusals} />
      <main id="main" ref=${main} tabindex="-1">
        ${unknownCaller.value ? html`<${SignIn} />` : Page ? html`<${Guarded} key=${path.value} page=${Page} params=${params} />` : html`<${Waiting} />`}
      </main>
    </div>
    <${Help} />
    <${Jump} />
  <//>`;
}

function useShellKeys() {
  useKeys({
    "?": { does: () => (helpOpen.value = true), said: "this help" },
    "/": { does: focusSearch, said: "search or filter" },
    j: { does: () => step("[data-row]", 1), said: "the next row" },
    k: { does: () => step("[data-row]", -1), said: "the row before" },
    "g o": { does: () => go(HOME), said: "go to the overview" },
    "g d": { does: () => go(to("decisions")), said: "go to the decisions" },
    "g t": { does: () => go(to("access")), said: "go to agents and tokens" },
    t: { does: toggleTheme, said: "light or dark" },
  });
}

function focusSearch() {
  const field = document.querySelector("[data-search]");
  if (field) field.focus();
  else jumpOpen.value = true;
}

function Navigation({ params }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path.value]);
  const current = params.app ?? query.value.get("app") ?? (apps.value.length === 1 ? apps.value[0].app : null);
  return html`<header class="rail" data-open=${open}>
    <div class="brand">
      <a href=${HOME} aria-label="Lathe, overview"><${Icon} name="mark" /><span>Lathe</span></a>
      <button class="quiet menu" aria-expanded=${open} aria-controls="navigation" onClick=${() => setOpen(!open)}>
        <${Icon} name=${open ? "close" : "menu"} /><span class="sr">Menu</span>
      </button>
    </div>
    <nav id="navigation" aria-label="Views">
      <${Entry} href=${HOME} icon="grid" exact>Overview<//>
      ${views().map((entry) => html`<${Entry} href=${entry.to()} icon=${entry.icon}>${entry.name}<//>`)}
      ${apps.value.map((app) => html`<${AppEntries} key=${app.app} app=${app} open=${app.app === current} />`)}
    </nav>
    <div class="foot">
      ${me.value?.token && html`<button class="quiet" onClick=${signOut} title=${`signed in as ${me.value.principal}`}>
        <${Icon} name="person" /><bdi>${me.value.principal}</bdi><span class="out">Sign out</span>
      </button>`}
      <button class="quiet" onClick=${() => (jumpOpen.value = true)}>
        <${Icon} name="search" />Jump<kbd>/</kbd>
      </button>
      <button class="quiet" onClick=${toggleTheme}>
        <${Icon} name=${theme.value !== undefined && isDark() ? "sun" : "moon"} />${isDark() ? "Light" : "Dark"}<kbd>t</kbd>
      </button>
      <button class="quiet" onClick=${() => (helpOpen.value = true)}><${Icon} name="keys" />Keys<kbd>?</kbd></button>
    </div>
  </header>`;
}

function AppEntries({ app, open }) {
  return html`<div class="of-app">
    <${Entry} href=${to("apps", app.app)} icon="app" title=${app.doc} exact>${app.app}<//>
    ${open &&
    html`<div class="below">
      ${app.blueprints.map(
        (one) => html`<${Entry} key=${one.plural} href=${to("apps", app.app, "entities", one.plural)}>${one.plural}<//>`,
      )}
      ${ofApp.map((entry) => html`<${Entry} key=${entry.name} href=${entry.to(app.app)}>${entry.name}<//>`)}
    </div>`}
  </div>`;
}

function Entry({ href, icon, exact, title, children }) {
  const here = HOME + path.value;
  const is = exact ? here === href || `${here}/` === href : here === href || here.startsWith(`${href}/`);
  return html`<a class="entry" href=${href} title=${title} aria-current=${is ? "page" : undefined}>
    ${icon && html`<${Icon} name=${icon} />`}<bdi>${children}</bdi>
  </a>`;
}

function Connection() {
  if (connection.value !== "lost") return null;
  return html`<div class="banner bad" role="status">
    <${Icon} name="cut" />
    <span><strong>The server does not answer.</strong> What you see is what it said last; it is asked again by itself.</span>
    <button class="small" onClick=${retryNow}>Ask now</button>
  </div>`;
}

export const Waiting = () => html`<div class="waiting" role="status"><span class="sr">Loading</span></div>`;
