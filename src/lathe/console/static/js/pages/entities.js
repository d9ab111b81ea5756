// The entities of one blueprint, filtered by state and by an expression, a page at a time.
import { at, useGet } from "../api.js";
import { useFresh } from "../events.js";
import { value } from "../format.js";
import { statesOf } from "../places.js";
import { Card, Empty, EntityLink, Head, State, Trouble, When } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Waiting } from "../parts/shell.js";
import { query, to } from "../router.js";
import { html } from "../ui.js";

export default function Entities({ app, plural }) {
  const fresh = useFresh((event) => event.app === app);
  const asked = new URLSearchParams();
  for (const name of ["state", "where", "sort"]) if (query.value.get(name)) asked.set(name, query.value.get(name));
  const path = at(app, plural) + (asked.size ? `?${asked}` : "");
  const { data, problem, reload } = useGet(path, fresh);
  return html`<div>
    <${Head} title=${plural} crumbs=${[[app, to("apps", app)]]} />
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`<${Card} flush>${data.items.length ? html`<${Rows} app=${app} plural=${plural} items=${data.items} />` : html`<${Empty} title="There are none." />`}<//>`}
    <${Call} path=${path} command=${`lathe list ${app}/${plural}`} />
  </div>`;
}

function Rows({ app, plural, items }) {
  const kinds = [...statesOf.value.values()].find((one) => one.plural === plural)?.states ?? [];
  const names = [...new Set(items.flatMap(({ fields }) => Object.keys(fields)))];
  return html`<div class="scroll"><table>
    <thead><tr><th scope="col">id</th><th scope="col">state</th>${names.map((name) => html`<th scope="col" key=${name}>${name}</th>`)}<th scope="col">changed</th></tr></thead>
    <tbody>
      ${items.map((one) => html`<tr key=${one.id} data-row>
        <td><${EntityLink} app=${app} plural=${plural} id=${one.id} /></td>
        <td><${State} name=${one.state} kind=${kinds.find(({ state }) => state === one.state)?.kind} /></td>
        ${names.map((name) => html`<td key=${name}><bdi>${value(one.fields[name])}</bdi></td>`)}
        <td><${When} at=${one.at} /></td>
      </tr>`)}
    </tbody>
  </table></div>`;
}
