// A version of an app: in force (`current`), or one that was.
import { Subject } from "../lazy/subject.js";
import { useVersion } from "../lazy/subjects.js";
import { query } from "../router.js";
import { html } from "../ui.js";

export default function Version({ app, digest, tab }) {
  const subject = useVersion(app, digest, query.value.get("against"));
  return html`<${Subject} subject=${{ ...subject, title: `${app} ${digest === "current" ? "in force" : "before"}` }} tab=${tab} home="graph" />`;
}
