// What was checked lately, and a place to drop a report.
import { useGet } from "../api.js";
import { plural } from "../format.js";
import { Verdict } from "../lazy/findings.js";
import { Drop } from "../lazy/drop.js";
import { useNotices } from "../events.js";
import { shortDigest } from "../lazy/subjects.js";
import { Card, Empty, Head, Trouble, When } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Waiting } from "../parts/shell.js";
import { query, to } from "../router.js";
import { html } from "../ui.js";
import { Prose } from "../parts/prose.js";

const OUTCOMES = { planned: "planned", applied: "loaded", refused: "not loaded", population: "not loaded: entities do not fit", breaking: "not loaded: clients may break", plan: "not loaded: plan changed" };

export default function ChecksPage() {
  const app = query.value.get("app");
  const path = `/v1/checks${app ? `?app=${encodeURIComponent(app)}` : ""}`;
  const { data, problem, reload } = useGet(path, useNotices((kind) => kind === "check" || kind === "version"));
  return html`<div>
    <${Head} title="Checks" about="What was checked lately, here and by lathe dev, newest first; refused changes too." />
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`<${Card} title=${plural(data.items.length, "check")} flush>
      ${data.items.length ? html`<ul class="rows checks">${data.items.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</ul>` : html`<${Empty} title="Nothing was checked since this process began."><code>lathe apply FOLDER</code>, or change a file that <code>lathe dev</code> watches.<//>`}
    <//>`}
    <${Drop} />
    <${Call} path=${path} command="lathe check FOLDER" />
  </div>`;
}

function Row({ one }) {
  const said = one.outcome ? OUTCOMES[one.outcome] : "";
  return html`<li data-row>
    <${Verdict} verdict=${one.verdict} />
    <a href=${to("checks", one.id)}><strong><bdi>${one.app || "unnamed"}</bdi></strong> <code class="digest">${shortDigest(one.digest) || one.id}</code></a>
    <span class="grow said">${one.first ? html`<code>${one.first.code}</code> <${Prose} text=${one.first.message} />` : html`<bdi>${one.said ?? ""}</bdi>`}</span>
    <span class="muted">${one.in_force ? "in force" : said}</span><${When} at=${one.at} />
  </li>`;
}
