// What happens now, newest first: one line for each event.
import { recent } from "../events.js";
import { value } from "../format.js";
import { apps, statesOf } from "../places.js";
import { html } from "../ui.js";
import { Empty, EntityLink, State, When, Who } from "./bits.js";

const pluralOf = (event) =>
  apps.value.find(({ app }) => app === event.app)?.blueprints.find(({ blueprint }) => blueprint === event.blueprint)?.plural;

/** What an event is called: its action, or what befell an effect or timer. */
export function named(event) {
  if (event.action) return event.action;
  const what = event.effect ?? event.timer;
  if (event.kind === "end") return `${what} ${event.ok ? "ended" : "failed"}`;
  return what ? `${what} ${{ start: "started", execute: "tried", stop: "stopped", deliver: "delivered", notify: "told", timer: "fired" }[event.kind] ?? event.kind}` : event.kind;
}

export function kindOf(app, blueprint, state) {
  return statesOf.value.get(`${app}/${blueprint}`)?.states.find((one) => one.state === state)?.kind;
}

/** The newest events that `matters` picks. */
export function Feed({ limit = 12, matters = () => true }) {
  const events = recent.value.filter(matters).slice(0, limit);
  if (!events.length) return html`<${Empty} title="Nothing has happened yet." />`;
  return html`<ol class="feed" aria-live="off">
    ${events.map((event) => html`<${Line} key=${event.id} event=${event} />`)}
  </ol>`;
}

function Line({ event }) {
  const moved = event.changes.state;
  const plural = pluralOf(event);
  return html`<li data-event=${event.id}>
    <span class="what ${event.ok === false ? "bad" : ""}" title=${named(event)}><bdi>${named(event)}</bdi></span>
    ${plural ? html`<${EntityLink} app=${event.app} plural=${plural} id=${event.entity} />` : html`<span class="id">${event.entity}</span>`}
    <span class="to">${moved ? html`<${State} name=${event.state} kind=${kindOf(event.app, event.blueprint, event.state)} />` : html`<${Changes} event=${event} />`}</span>
    <span class="by"><${Who} by=${event.by} actor=${event.actor} /></span>
    <${When} at=${event.time} />
  </li>`;
}

function Changes({ event }) {
  const [first] = Object.entries(event.changes);
  if (!first) return null;
  const [name, [before, after]] = first;
  return html`<span class="change"><bdi>${name}</bdi> ${value(before)} → <bdi>${value(after)}</bdi></span>`;
}
