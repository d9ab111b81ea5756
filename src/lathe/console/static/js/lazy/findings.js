// What a check found: each finding with its line, the false clause, the end of its run, and the way out.
import { plural } from "../format.js";
import { to } from "../router.js";
import { frames } from "./traces.js";
import { html } from "../ui.js";
import { Icon } from "../parts/icon.js";
import { Edit, Excerpt } from "./source.js";
import { Clauses, Steps } from "./trace.js";
import { Prose } from "../parts/prose.js";

const LAST_STEPS = 6;

export const VERDICTS = { admitted: "done", refused: "close", unknown: "info" };

/** The verdict as a word with its sign. */
export const Verdict = ({ verdict }) => verdict && html`<span class=${`verdict ${verdict}`}><${Icon} name=${VERDICTS[verdict] ?? "info"} />${verdict}</span>`;

export const traceLink = (subject, trace) => to(...subject.base, "traces", trace.id.slice(0, 12));
export const lineLink = (subject, { file, line }) => to(...subject.base, "source", { file, line });

/** One finding, whole. */
export function Finding({ finding, subject }) {
  const { trace } = finding;
  const all = trace ? frames(trace) : [];
  const left = all.length - 1 - LAST_STEPS;
  return html`<article class=${`finding ${finding.severity}`} data-row>
    <header>
      <h2><${Icon} name=${finding.severity === "error" ? "close" : finding.severity === "warning" ? "warn" : "info"} />
        <span>${finding.code}</span>${finding.property && html` <code><bdi>${finding.property}</bdi></code>`}</h2>
      ${finding.file && html`<a class="place" href=${lineLink(subject, finding)}><bdi>${finding.file}:${finding.line}</bdi></a>`}
    </header>
    <p class="message"><${Prose} text=${finding.message} /></p>
    <${Excerpt} finding=${finding} files=${subject.files} />
    ${(finding.related ?? []).map((one) => html`<p key=${one.line} class="muted"><a href=${lineLink(subject, one)}>${one.file}:${one.line}</a> <${Prose} text=${one.message} /></p>`)}
    ${trace && html`<div class="run">
      ${trace.clauses?.length > 0 && html`<${Clauses} clauses=${trace.clauses} />`}
      <${Steps} frames=${left > 0 ? all.slice(-LAST_STEPS) : all.slice(1)} at=${-1} onStep=${() => {}} loopFrom=${trace.loop_from} />
      <p class="to-trace">${left > 0 && html`<span class="muted">${plural(left, "event")} before these</span>`}
        <a class="button small" href=${traceLink(subject, trace)}><${Icon} name="play" />Walk through ${plural(trace.length, "step")}</a></p>
    </div>`}
    ${finding.help && html`<p class="help"><strong>Help</strong> <${Prose} text=${finding.help} /></p>`}
    ${finding.edit && html`<${Edit} edit=${finding.edit} />`}
  </article>`;
}
