// Small things that every page is made of.
import { Problem } from "../api.js";
import { clock, relative, short } from "../format.js";
import { now } from "../now.js";
import { to } from "../router.js";
import { classes, html } from "../ui.js";
import { Icon } from "./icon.js";

const OF_KIND = { final: "done", waits: "hand", runs: "run", rests: "rest" };
const SAID = { final: "it is over", waits: "it waits for somebody", runs: "it works", rests: "it rests" };

/** A state's name with what it is about: whether it works, waits for somebody, rests or is over. */
export const State = ({ name, kind = "rests", title }) => html`<span class=${`state ${kind}`} title=${title ?? SAID[kind]}>
  <${Icon} name=${OF_KIND[kind] ?? "rest"} /><bdi>${name}</bdi>
</span>`;

/** A moment, seen from now; exact when pointed at. */
export const When = ({ at, plain }) =>
  at ? html`<time datetime=${at} title=${`${clock(at)} (${at})`}>${plain ? clock(at, now.value) : relative(at, now.value)}</time>` : "–";

/** An entity's id as a link to it. */
export const EntityLink = ({ app, plural, id, full }) =>
  html`<a class="id" href=${to("apps", app, "entities", plural, id)} title=${id}>${full ? id : short(id)}</a>`;

/** Who did something: a person, an agent, an effect, or time. */
export function Who({ by, actor }) {
  const name = actor || by || "";
  const kind = name.startsWith("effect:") ? "effect" : name.startsWith("agent:") ? "agent" : "person";
  return html`<span class="who"><${Icon} name=${kind} /><bdi>${name || "time"}</bdi></span>`;
}

/** The head of a page: its name, what it is about, and what stands at its right. */
export const Head = ({ title, about, crumbs = [], mono, children }) => html`<header class="head">
  <div>
    ${crumbs.length > 0 &&
    html`<nav class="crumbs" aria-label="Where this is">
      ${crumbs.map(([name, href]) => html`<a key=${href} href=${href}><bdi>${name}</bdi></a>`)}
    </nav>`}
    <h1 class=${classes(mono && "mono")}><bdi>${title}</bdi></h1>
    ${about && html`<p class="about"><bdi>${about}</bdi></p>`}
  </div>
  <div class="aside">${children}</div>
</header>`;

/** Something that went wrong, as the API says it. */
export function Trouble({ problem, onRetry }) {
  if (!problem) return null;
  const known = problem instanceof Problem;
  const { help, state, entity } = known ? problem.document : {};
  return html`<div class="notice bad" role="alert">
    <p><${Icon} name="warn" /><strong>${known ? problem.code : "No answer"}</strong>
      <bdi>${known ? problem.message : "the server cannot be reached"}</bdi></p>
    ${help && html`<p class="muted"><bdi>${help}</bdi></p>`}
    ${(state || entity) && html`<p class="muted">${state && html`state: <code>${state}</code> `}${entity && html`entity: <code>${entity}</code>`}</p>`}
    ${onRetry && html`<button class="small" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

/** Nothing to show, and what would make something appear. */
export const Empty = ({ title, children }) => html`<div class="empty"><p>${title}</p>${children && html`<div class="muted">${children}</div>`}</div>`;

/** A card with a title. */
export const Card = ({ title, aside, flush, children, ...rest }) => html`<section class=${classes("card", flush && "flush")} aria-label=${title} ...${rest}>
  ${title && html`<header><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>`}
  ${children}
</section>`;
