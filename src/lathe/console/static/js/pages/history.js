// Every application of an app, newest first: what was in force, since when, by whom and why.
import { at, useGet } from "../api.js";
import { useNotices } from "../events.js";
import { shortDigest } from "../lazy/subjects.js";
import { Card, Head, Trouble, When } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Waiting } from "../parts/shell.js";
import { HOME, to } from "../router.js";
import { html } from "../ui.js";

export default function History({ app }) {
  const path = at("blueprints", app);
  const { data, problem, reload } = useGet(path, useNotices((kind, one) => kind === "version" && one.app === app));
  return html`<div>
    <${Head} title="Versions" crumbs=${[["Overview", HOME], [app, to("apps", app)]]} about="Every time a version was loaded, newest first. An older one can be made current again." />
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`<${Card} title=${app} flush><ul class="rows versions">
      ${data.items.map((one, i) => html`<li key=${one.at + one.digest} data-row>
        <a href=${to("apps", app, "versions", one.digest)}><code>${shortDigest(one.digest)}</code></a>
        ${i === 0 ? html`<span class="verdict admitted">in force</span>` : null}
        <span class="grow"><bdi>${one.note}</bdi></span>
        <span class="muted"><bdi>${one.by}</bdi></span><${When} at=${one.at} />
        <span class="links">${data.items[i + 1] && html`<a href=${to("apps", app, "versions", one.digest, "changes", { against: data.items[i + 1].digest })}>changes</a>`}
          ${one.digest !== data.digest && html`<a href=${to("apps", app, "versions", one.digest, "plan")}>roll back to it</a>`}</span>
      </li>`)}
    </ul><//>`}
    <${Call} path=${path} command=${`lathe rollback ${app}`} />
  </div>`;
}
