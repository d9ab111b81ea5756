// A run that is gone on with by hand: that of a finding, of a seed, of a file, or one that begins before anything.
import { Fork } from "../lazy/fork.js";
import { openedSubject, traceOf, useCheck, useRun, useTold, useVersion } from "../lazy/subjects.js";
import { at } from "../api.js";
import { Empty, Trouble } from "../parts/bits.js";
import { Waiting } from "../parts/shell.js";
import { to } from "../router.js";
import { html } from "../ui.js";

export default function ForkPage({ id, app, digest, trace, mix, seed, plural }) {
  if (plural) return html`<${OfEntity} app=${app} plural=${plural} id=${id} />`;
  if (seed) return html`<${OfRun} id=${id} mix=${mix} seed=${seed} />`;
  if (id) return html`<${OfCheck} id=${id} trace=${trace} />`;
  if (app) return html`<${OfVersion} app=${app} digest=${digest} trace=${trace} />`;
  const subject = openedSubject();
  return html`<${Found} subject=${subject && { ...subject, api: at("blueprints", subject.app, "current") }} trace=${trace} />`;
}

const OfRun = ({ id, mix, seed }) => html`<${Found} subject=${useRun(id, mix, seed)} trace="" />`;
const OfEntity = ({ app, plural, id }) => html`<${Found} subject=${useTold(app, plural, id)} trace="" />`;
const OfCheck = ({ id, trace }) => html`<${Found} subject=${useCheck(id)} trace=${trace} />`;
const OfVersion = ({ app, digest, trace }) => html`<${Found} subject=${useVersion(app, digest)} trace=${trace} />`;

const nothing = (subject) => ({ format: "lathe.trace/1", id: "", app: subject.app ?? "", digest: subject.digest ?? "", steps: [] });

function Found({ subject, trace }) {
  if (!subject) return html`<${Empty} title="No report is open."><a href=${to("open")}>Open one</a><//>`;
  if (!subject.data) return subject.problem ? html`<${Trouble} problem=${subject.problem} onRetry=${subject.reload} />` : html`<${Waiting} />`;
  if (trace === undefined) return html`<${Fork} subject=${subject} trace=${nothing(subject)} />`;
  const found = traceOf(subject.report, trace);
  if (!found) return html`<${Empty} title=${`There is no trace ${trace} in this report.`}><a href=${to(...subject.base)}>To the report</a><//>`;
  const address = subject.address ?? to(...subject.base, "traces", found.trace.id.slice(0, 12));
  return html`<${Fork} key=${found.trace.id} subject=${{ ...subject, runAddress: address, traceTitle: found.finding.property ?? found.finding.code }} trace=${found.trace} />`;
}
