// The journal of an entity, newest first: what, who, as what, and what changed.
import { clock, value } from "../format.js";
import { isLoud } from "../history.js";
import { kindIn } from "../model.js";
import { classes, html, useState } from "../ui.js";
import { Empty, State, When, Who } from "./bits.js";
import { named } from "./feed.js";
import { Icon } from "./icon.js";

const VALUE_CHARACTERS = 120;

export function Journal({ events, model, hasEarlier, onEarlier }) {
  const [quiet, setQuiet] = useState(false);
  const shown = events.filter((event) => quiet || isLoud(event)).toReversed();
  const hidden = events.length - events.filter(isLoud).length;
  return html`<section class="card flush journal" aria-label="Journal">
    <header><h2>Journal</h2>
      ${hidden > 0 && html`<div class="aside"><label class="check"><input type="checkbox" checked=${quiet} onChange=${(event) => setQuiet(event.target.checked)} /> with starts and tries</label></div>`}
    </header>
    ${shown.length ? html`<ol>${shown.map((event) => html`<${Line} key=${event.id} event=${event} model=${model} />`)}</ol>` : html`<${Empty} title="Nothing yet." />`}
    ${hasEarlier && html`<p class="more"><button class="small" onClick=${onEarlier}>Earlier entries</button></p>`}
  </section>`;
}

function Line({ event, model }) {
  const moved = event.changes.state;
  // That the blueprint's own `by` permits it says no more than who took it, and as what.
  const policies = (event.policies ?? []).filter((id) => !id.startsWith("by:"));
  const changes = Object.entries(event.changes).filter(([name]) => name !== "state");
  return html`<li class=${classes(!isLoud(event) && "quiet", event.ok === false && "bad")} data-row data-event=${event.id} tabindex="-1">
    <div class="line">
      <strong class="what"><bdi>${named(event)}</bdi></strong>
      ${moved && html`<span class="move">${moved[0] !== null && html`<bdi>${moved[0]}</bdi><${Icon} name="arrow" />`}<${State} name=${moved[1]} kind=${kindIn(model, moved[1])} /></span>`}
      <${When} at=${event.time} />
    </div>
    <div class="line why">
      <${Who} by=${event.by} actor=${event.actor} />
      ${event.actor && event.by && html`<span class="muted">as <bdi>${event.by}</bdi></span>`}
      ${policies.length > 0 && html`<span class="muted">permitted by <bdi>${policies.join(", ")}</bdi></span>`}
      ${event.cause && html`<span class="late">cause: <bdi>${event.cause}</bdi>${event.why && html`, <bdi>${event.why}</bdi>`}</span>`}
      <span class="muted stamp">version ${event.version} · ${clock(event.time)}</span>
    </div>
    ${changes.length > 0 && html`<dl class="changes">
      ${changes.map(([name, [before, after]]) => html`<div key=${name}><dt><bdi>${name}</bdi></dt>
        <dd><del><${Held} held=${before} /></del> <${Icon} name="arrow" /> <ins><${Held} held=${after} /></ins></dd></div>`)}
    </dl>`}
    ${event.erased && html`<p class="muted">What it held was erased.</p>`}
  </li>`;
}

export function Held({ held }) {
  const text = value(held);
  if (text.length <= VALUE_CHARACTERS) return html`<bdi>${text}</bdi>`;
  return html`<details class="long"><summary><bdi>${text.slice(0, VALUE_CHARACTERS)}…</bdi> <span class="muted">${text.length} characters</span></summary><pre tabindex="0"><bdi>${text}</bdi></pre></details>`;
}
