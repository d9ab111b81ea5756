// The trace of a finding: of a check, of a version, or of a report that was opened.
import { Explorer } from "../lazy/explorer.js";
import { openedSubject, traceOf, useCheck, useRun, useTold, useVersion } from "../lazy/subjects.js";
import { Empty, Trouble } from "../parts/bits.js";
import { Waiting } from "../parts/shell.js";
import { to } from "../router.js";
import { html } from "../ui.js";

export default function TracePage({ id, app, digest, trace, mix, seed, plural }) {
  if (plural) return html`<${OfEntity} app=${app} plural=${plural} id=${id} />`;
  if (seed) return html`<${OfRun} id=${id} mix=${mix} seed=${seed} />`;
  if (id) return html`<${OfCheck} id=${id} trace=${trace} />`;
  if (app) return html`<${OfVersion} app=${app} digest=${digest} trace=${trace} />`;
  return html`<${Found} subject=${openedSubject()} trace=${trace} />`;
}

function OfRun({ id, mix, seed }) {
  const subject = useRun(id, mix, seed);
  if (subject.data && !subject.report) return html`<${Empty} title=${`Seed ${seed}, ${mix}, finds nothing.`}><a href=${to("simulations", id)}>To the campaign</a><//>`;
  return html`<${Found} subject=${subject} trace="" />`;
}

const OfEntity = ({ app, plural, id }) => html`<${Found} subject=${useTold(app, plural, id)} trace="" />`;
const OfCheck = ({ id, trace }) => html`<${Found} subject=${useCheck(id)} trace=${trace} />`;
const OfVersion = ({ app, digest, trace }) => html`<${Found} subject=${useVersion(app, digest)} trace=${trace} />`;

function Found({ subject, trace }) {
  if (!subject) return html`<${Empty} title="No report is open."><a href=${to("open")}>Open one</a><//>`;
  if (!subject.data) return subject.problem ? html`<${Trouble} problem=${subject.problem} onRetry=${subject.reload} />` : html`<${Waiting} />`;
  const found = traceOf(subject.report, trace);
  if (!found) return html`<${Empty} title=${`There is no trace ${trace} in this report.`}><a href=${to(...subject.base)}>To the report</a><//>`;
  return html`<${Explorer} key=${found.trace.id} subject=${subject} ...${found} />`;
}
