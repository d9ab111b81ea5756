// The frame around what a reviewer looks at: what it is, its verdict, and the views of it.
import { Head, Trouble, When } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { Waiting } from "../parts/shell.js";
import { to } from "../router.js";
import { html } from "../ui.js";
import { Changes } from "./changes.js";
import { Verdict } from "./findings.js";
import { Permissions } from "./permissions.js";
import { Pictures } from "./pictures.js";
import { Plan } from "./plan.js";
import { Report } from "./report.js";
import { Sources } from "./sources.js";
import { shortDigest } from "./subjects.js";

const TABS = [
  { name: "report", title: "Report", Tab: Report },
  { name: "graph", title: "Graph", Tab: Pictures, needs: (s) => s.api || s.description },
  { name: "source", title: "Source", Tab: Sources, needs: (s) => Object.keys(s.files ?? {}).length > 0 },
  { name: "permissions", title: "Permissions", Tab: Permissions, needs: (s) => s.api || s.description },
  { name: "changes", title: "Changes", Tab: Changes, needs: (s) => s.api || s.description?.diff },
  { name: "plan", title: "Plan", Tab: Plan, needs: (s) => s.api },
];

const OUTCOMES = {
  planned: "planned, not loaded", applied: "loaded", refused: "not loaded: the verifier does not admit it",
  population: "not loaded: entities that live now do not fit", breaking: "not loaded: clients may break",
  plan: "not loaded: the plan had changed",
};
const SOURCES = { dev: "from the folder that lathe dev watches", apply: "somebody asked to load it", check: "somebody asked for a check" };

/** The subject under one of its tabs. */
export function Subject({ subject, tab, home = "report" }) {
  if (!subject.data) return subject.problem ? html`<${Trouble} problem=${subject.problem} onRetry=${subject.reload} />` : html`<${Waiting} />`;
  const shown = TABS.filter(({ needs }) => !needs || needs(subject));
  const chosen = shown.find(({ name }) => name === (tab ?? home)) ?? shown[0];
  const { Tab } = chosen;
  const errors = subject.report.findings?.filter(({ severity }) => severity === "error").length ?? 0;
  return html`<div class="review">
    <${Head} title=${subject.title} crumbs=${subject.crumbs} about=${about(subject)}>
      <${Verdict} verdict=${subject.report.verdict} />
      ${subject.digest && html`<code class="digest" title=${subject.digest}>${shortDigest(subject.digest)}</code>`}
      ${subject.api && subject.digest && html`<a class="button small" href=${simulating(subject)}><${Icon} name="dice" />Simulate</a>
        <a class="button small" href=${to(...subject.base, "fork")}><${Icon} name="fork" />What if</a>`}
    <//>
    <nav class="tabs" aria-label="Views of it">
      ${shown.map(({ name, title }) => html`<a key=${name} href=${to(...subject.base, ...(name === home && !subject.long ? [] : [name]))} aria-current=${name === chosen.name ? "page" : undefined}>
        ${title}${name === "report" && errors > 0 && html`<span class="count bad">${errors}</span>`}
        ${name === "changes" && subject.description?.diff && html`<span class="count">${subject.description.diff.changes.length}</span>`}
      </a>`)}
    </nav>
    <${Tab} subject=${subject} />
    ${subject.api && html`<${Call} path=${subject.api + (NEEDS_DESCRIPTION.has(chosen.name) ? "/description" : "")} command=${COMMANDS[chosen.name]?.(subject)} />`}
  </div>`;
}

const simulating = ({ kind, app, digest, data }) => to("simulations", kind === "check" ? { check: data.id } : { app, digest });

const NEEDS_DESCRIPTION = new Set(["graph", "permissions", "changes"]);
const COMMANDS = {
  report: () => "lathe check FOLDER",
  graph: () => "lathe show FOLDER --as graph",
  permissions: () => "lathe show FOLDER --as permissions",
  changes: () => "lathe diff OLD NEW",
  plan: (subject) => (subject.kind === "version" ? `lathe rollback ${subject.app} ${subject.digest}` : "lathe apply FOLDER"),
};

function about({ kind, data }) {
  if (kind !== "check") return kind === "file" ? "opened from a file; nothing of it is sent anywhere" : undefined;
  const told = [SOURCES[data.source], data.outcome && OUTCOMES[data.outcome]].filter(Boolean).join("; ");
  return html`${told}${data.in_force ? "; in force now" : ""}, by ${data.by}, <${When} at=${data.at} />`;
}
