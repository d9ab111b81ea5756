// What a reviewer looks at: a version that is or was in force, a check that was asked for, or a report from a file.
import { at, useGet } from "../api.js";
import { useNotices } from "../events.js";
import { short } from "../format.js";
import { HOME, to } from "../router.js";
import { repeating } from "./campaign.js";
import { signal } from "../ui.js";

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

/** What happened to an entity, told as a run, as a subject with one finding: none of it can be changed. */
export function useTold(app, plural, id) {
  const api = at("blueprints", app, "current");
  const { data, problem, reload } = useGet(at(app, plural, id, "trace"));
  const files = useGet(api).data?.files ?? {};
  const described = useGet(`${api}/description`);
  const address = to("apps", app, "entities", plural, id);
  const report = data && alone(data.trace, { told: `what happened to ${id}, and to all that had a part` });
  return {
    kind: "version", app, digest: data?.trace.digest, title: id, base: ["apps", app, "entities", plural, id, "trace"], api,
    address: `${address}/trace`, crumbs: [[app, to("apps", app)], [plural, to("apps", app, "entities", plural)], [short(id), address]], data, report, files, reload,
    notes: data?.notes, description: described.data, descriptionProblem: described.problem, problem,
  };
}

/** A seed of a campaign, as a subject with one finding: what it found, and the run that was made small of it. */
export function useRun(id, mix, seed) {
  const campaign = useGet(at("simulations", id)).data;
  const { data, problem, reload } = useGet(at("simulations", id, "runs", mix, seed));
  const api = campaign && (campaign.check ? at("checks", campaign.check) : at("blueprints", campaign.app, campaign.digest));
  const described = useGet(api && `${api}/description`);
  const files = useGet(api).data?.files ?? {};
  const report = data?.trace ? alone(data.trace, data, files) : undefined;
  return {
    kind: campaign?.check ? "check" : "version", app: data?.app, digest: data?.digest, title: `Seed ${seed}, ${mix}`, base: ["simulations", id, "runs", mix, seed], api,
    address: to("simulations", id, "runs", mix, seed), crumbs: [["Simulator", to("simulations")], [campaign?.app || "campaign", to("simulations", id)]], data, report, files, reload,
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

const PROPERTY = /^property:(\w+)$/;

/** Where a property stands in the files: its line begins with its name, or with its table's. */
function placeOf(property, files) {
  for (const [file, text] of Object.entries(files)) {
    const lines = text.split("\n");
    const at = lines.findIndex((line) => line.startsWith(`${property} =`) || (line.startsWith("[") && line.includes(`.${property}]`)));
    if (at >= 0) return { file, line: at + 1, column: lines[at].indexOf(property) + 1, end_column: lines[at].indexOf(property) + 1 + property.length };
  }
  return null;
}

/** A trace without a report, as a report with one finding: a gauge, a failure of `lathe sim`, or a run alone. */
function alone(trace, { expect, violation, seed, mix, told }, files = {}) {
  const message = told ?? violation?.said ?? (expect ? `a gauge that must give: ${expect}` : "a run without a finding");
  const property = expect?.startsWith("refused: ") ? expect.slice(9) : PROPERTY.exec(violation?.cause ?? "")?.[1];
  const code = violation?.cause ?? (told ? "What happened" : "trace");
  const repeat = violation && seed !== undefined ? repeating({ seed, mix }) : undefined;
  const place = (property && placeOf(property, files)) ?? { file: "", line: 1, column: 1 };
  const finding = { code, severity: violation ? "error" : "note", message, property, repeat, ...place, trace };
  return { verdict: violation ? "refused" : "unknown", app: trace.app, digest: trace.digest, levels: [], findings: [finding], covered: {}, not_covered: [], accepted_bounds: [] };
}
