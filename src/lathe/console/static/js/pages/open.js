// A report from a file: read without a server's check, and without a terminal.
import { Drop } from "../lazy/drop.js";
import { Subject } from "../lazy/subject.js";
import { openedSubject } from "../lazy/subjects.js";
import { Head } from "../parts/bits.js";
import { to } from "../router.js";
import { html } from "../ui.js";

export default function Open({ tab }) {
  const subject = openedSubject();
  if (subject) return html`<div><${Subject} subject=${subject} tab=${tab} /><${Drop} /></div>`;
  return html`<div><${Head} title="Open a report" crumbs=${[["Checks", to("checks")]]} /><${Drop} /></div>`;
}
