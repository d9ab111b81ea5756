// One entity: where it is, what may be done with it, and what happened to it.
import { at, useGet } from "../api.js";
import { useFresh } from "../events.js";
import { value } from "../format.js";
import { Card, Head, State, Trouble, When, Who } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { kindOf, named } from "../parts/feed.js";
import { Waiting } from "../parts/shell.js";
import { to } from "../router.js";
import { html } from "../ui.js";

export default function Entity({ app, plural, id }) {
  const fresh = useFresh((event) => event.entity === id, 100);
  const base = at(app, plural, id);
  const { data, problem, reload } = useGet(base, fresh);
  const journal = useGet(`${base}/journal?limit=200`, fresh).data?.items ?? [];
  const actions = useGet(`${base}/actions`, fresh).data?.items ?? [];
  if (!data) return problem ? html`<${Trouble} problem=${problem} onRetry=${reload} />` : html`<${Waiting} />`;
  const blueprint = journal[0]?.blueprint;
  return html`<div>
    <${Head} title=${id} mono crumbs=${[[app, to("apps", app)], [plural, to("apps", app, "entities", plural)]]}>
      <${State} name=${data.state} kind=${kindOf(app, blueprint, data.state)} />
    <//>
    <div class="columns">
      <div>
        <${Card} title="Journal" flush><ol class="feed">
          ${journal.map((event) => html`<li key=${event.id}>
            <span class="what"><bdi>${named(event)}</bdi></span>
            <span>${event.changes.state && html`<${State} name=${event.state} kind=${kindOf(app, blueprint, event.state)} />`}</span>
            <span class="to">${Object.entries(event.changes).filter(([name]) => name !== "state").map(([name, [, after]]) => `${name} → ${value(after)}`).join(", ")}</span>
            <span class="by"><${Who} by=${event.by} actor=${event.actor} /></span><${When} at=${event.time} />
          </li>`)}
        </ol><//>
      </div>
      <div>
        <${Card} title="Fields"><dl class="fields">${Object.entries(data.fields).map(([name, held]) => html`<div key=${name}><dt>${name}</dt><dd><bdi>${value(held)}</bdi></dd></div>`)}</dl><//>
        <${Card} title="Actions"><ul>${actions.map((one) => html`<li key=${one.action}><strong>${one.action}</strong> <span class="muted"><bdi>${one.possible ? "possible now" : one.why}</bdi></span></li>`)}</ul><//>
      </div>
    </div>
    <${Call} path=${base} command=${`lathe get ${app}/${plural}/${id}`} />
  </div>`;
}
