// The files of what is reviewed, each with its findings in place.
import { query, to } from "../router.js";
import { html } from "../ui.js";
import { traceLink } from "./findings.js";
import { Source } from "./source.js";
import { findingsOf } from "./subjects.js";

const rank = (name) => (name === "app.toml" ? 0 : name.endsWith(".toml") ? 1 : name.endsWith(".cedar") ? 2 : 3);

export function Sources({ subject }) {
  const names = Object.keys(subject.files).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  const findings = findingsOf(subject.report);
  const errors = (name) => findings.filter(({ file }) => file === name).length;
  const first = names.find((name) => findings.some(({ file, severity }) => file === name && severity === "error"));
  const asked = query.value.get("file");
  const chosen = names.includes(asked) ? asked : (first ?? names.find((name) => name.endsWith(".blueprint.toml")) ?? names[0]);
  const line = Number(query.value.get("line")) || undefined;
  const hrefOf = (finding) => finding.trace && traceLink(subject, finding.trace);
  return html`<div class="sources">
    <nav class="files" aria-label="Files"><ul>${names.map((name) => html`<li key=${name}>
      <a href=${to(...subject.base, "source", { file: name })} aria-current=${name === chosen ? "page" : undefined}><bdi>${name}</bdi>${errors(name) > 0 && html`<span class="count bad">${errors(name)}</span>`}</a></li>`)}
    </ul></nav>
    <${Source} key=${chosen} text=${subject.files[chosen]} findings=${findings.filter(({ file }) => file === chosen)} line=${line} hrefOf=${hrefOf} />
  </div>`;
}
