// What a reviewer looks at: a version that is or was in force, a check that was asked for, or a report from a file.
import { at, useGet } from "../api.js";
import { onNotice } from "../events.js";
import { HOME, to } from "../router.js";
import { signal, useEffect, useState } from "../ui.js";

/** A report that was opened from a file; it stays in this tab and is sent nowhere. */
export const opened = signal(null);

export const shortDigest = (digest) => (digest ?? "").replace("sha256:", "").slice(0, 12);

/**
 * A subject: `{kind, app, digest, title, crumbs, base, api, report, files, description, problem, loading}`.
 * `base` are the segments of its address here, `api` its path there; `description` comes later than the rest.
 */
export function useCheck(id) {
  const path = at("checks", id);
  const { data, problem, reload } = useGet(path, useNotices((kind, one) => kind === "version" || one.id === id));
  const described = useGet(data && `${path}/description`);
  return {
    kind: "check", app: data?.app, digest: data?.digest, title: data?.app || "A check", base: ["checks", id], api: path,
    crumbs: [["Checks", to("checks")]], data, report: data?.report, files: data?.files, reload,
    description: described.data, descriptionProblem: described.problem, problem,
  };
}

export function useVersion(app, digest, against) {
  const path = at("blueprints", app, digest);
  const fresh = useNotices((kind, one) => kind === "version" && one.app === app);
  const { data, problem, reload } = useGet(path, fresh);
  const query = against ? `?against=${encodeURIComponent(against)}` : "";
  const described = useGet(data && `${path}/description${query}`, fresh);
  return {
    kind: "version", app, digest: data?.digest, title: app, base: ["apps", app, "versions", digest], api: path,
    crumbs: [["Overview", HOME], [app, to("apps", app)]], data, report: data?.report, files: data?.files, reload,
    description: described.data, descriptionProblem: described.problem, problem,
  };
}

/** The report that was opened, as a subject; the graph is that of the app's version in force, if it is loaded. */
export function openedSubject() {
  const found = opened.value;
  if (!found) return null;
  return {
    kind: "file", app: found.report.app, digest: found.report.digest, title: found.name, base: ["open"], api: null,
    crumbs: [["Checks", to("checks")]], data: found, report: found.report, files: found.files ?? {},
    description: found.description ?? null, problem: null,
  };
}

/** A number that grows with each notice that matters. */
export function useNotices(matters) {
  const [fresh, setFresh] = useState(0);
  useEffect(() => onNotice((kind, data) => matters(kind, data) && setFresh((n) => n + 1)), []);
  return fresh;
}

/** The findings of a report, errors first, each with its number. */
export function findingsOf(report) {
  const rank = { error: 0, warning: 1, note: 2 };
  return (report?.findings ?? []).map((finding, i) => ({ ...finding, number: i })).sort((a, b) => rank[a.severity] - rank[b.severity]);
}

/** The finding and trace of an id (or its beginning). */
export function traceOf(report, id) {
  const finding = (report?.findings ?? []).find(({ trace }) => trace && trace.id.startsWith(id));
  return finding ? { finding, trace: finding.trace } : null;
}

/** What a file holds that was dropped: a report, a trace or a gauge. Raises `Error` with what is wrong. */
export function read(text, name) {
  let data;
  try {
    data = JSON.parse(text.trim().split("\n")[0].startsWith("{") && text.trim().includes("\n{") ? text.trim().split("\n")[0] : text);
  } catch {
    throw new Error("it is not JSON: save what `lathe check --json` prints");
  }
  if (data && Array.isArray(data.findings) && data.verdict) return { name, report: { levels: [], covered: {}, not_covered: [], ...data }, files: data.files };
  const trace = data?.format === "lathe.trace/1" ? data : data?.trace;
  if (trace?.format === "lathe.trace/1" && Array.isArray(trace.steps)) {
    return { name, only: trace.id, report: alone(trace, data) };
  }
  throw new Error("it is neither a report (`lathe check --json`) nor a trace (`lathe.trace/1`), a gauge or a failure (`lathe sim --json`)");
}

/** A trace without a report, as a report with one finding: a gauge, a failure of `lathe sim`, or a run alone. */
function alone(trace, { expect, violation }) {
  const message = violation?.said ?? (expect ? `a gauge that must give: ${expect}` : "a run without a finding");
  const property = expect?.startsWith("refused: ") ? expect.slice(9) : undefined;
  const code = violation?.cause ?? "trace";
  const finding = { code, severity: violation ? "error" : "note", message, property, file: "", line: 1, column: 1, trace };
  return { verdict: violation ? "refused" : "unknown", app: trace.app, digest: trace.digest, levels: [], findings: [finding], covered: {}, not_covered: [], accepted_bounds: [] };
}
