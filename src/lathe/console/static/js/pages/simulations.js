// The simulator: begin a campaign of simulated worlds, and those of late.
import { ask as asked, useGet } from "../api.js";
import { number, plural } from "../format.js";
import { Going, MIXES, SEEDS, commandOf, isGoing } from "../lazy/campaign.js";
import { useNotices } from "../events.js";
import { shortDigest } from "../lazy/subjects.js";
import { apps } from "../places.js";
import { Card, Empty, Head, Trouble, When } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Waiting } from "../parts/shell.js";
import { go, query, to } from "../router.js";
import { html, useState } from "../ui.js";

const PATH = "/v1/simulations";

export default function Simulations() {
  const { data, problem, reload } = useGet(PATH, useNotices((kind) => kind === "simulation", 400));
  return html`<div class="simulations">
    <${Head} title="Simulator" about="The real runtime in simulated worlds, in which whatever can go wrong goes wrong. Nothing that lives here is touched." />
    <${Begin} />
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`<${Card} title="Campaigns" flush>
      ${data.items.length ? html`<ul class="rows campaigns">${data.items.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</ul>` : html`<${Empty} title="None since this process began." />`}
    <//>`}
    <${Call} path=${PATH} />
  </div>`;
}

const Row = ({ one }) => html`<li data-row>
  <${Going} one=${one} />
  <a href=${to("simulations", one.id)}><strong><bdi>${one.app || "unnamed"}</bdi></strong> <code class="digest">${one.check ? `check ${one.check.slice(0, 8)}` : shortDigest(one.digest)}</code></a>
  <span class="grow muted">${one.progress ? `${plural(one.progress.seeds, "seed")}, ${number(one.progress.steps)} steps` : one.said}</span>
  ${one.progress?.failed > 0 && html`<span class="late">${number(one.progress.failed)} failed</span>`}
  ${isGoing(one) && html`<span class="pulse" aria-hidden="true"></span>`}
  <${When} at=${one.at} />
</li>`;

/** What can be simulated: `[value, words, {app} or {check}]`, the apps in force first, then checks that are kept. */
function subjectsOf(checks) {
  const loaded = apps.value.map(({ app }) => [`app ${app}`, `${app}, in force`, { app }]);
  const kept = (checks ?? []).filter(({ verdict, in_force: isInForce }) => !isInForce && verdict !== "unreadable")
    .map(({ id, app, verdict }) => [`check ${id}`, `${app || "unnamed"}, check ${id.slice(0, 8)}, ${verdict}`, { check: id }]);
  const [app, digest] = [query.value.get("app"), query.value.get("digest")];
  const one = digest ? [[`app ${app} ${digest}`, `${app}, version ${shortDigest(digest)}`, { app, digest }]] : [];
  return [...one, ...loaded, ...kept];
}

function Begin() {
  const { data } = useGet("/v1/checks", useNotices((kind) => kind === "check"));
  const [typed, setTyped] = useState({ of: null, mix: "all", until: "seeds", seeds: String(SEEDS), seconds: "30", seed: "0" });
  const [state, setState] = useState({});
  const wanted = query.value.get("check") ? `check ${query.value.get("check")}` : query.value.get("app") ? ["app", query.value.get("app"), query.value.get("digest")].filter(Boolean).join(" ") : null;
  const all = subjectsOf(data?.items);
  const chosen = all.find(([key]) => key === (typed.of ?? wanted)) ?? all[0];
  const set = (name) => (event) => setTyped((before) => ({ ...before, [name]: event.target.value }));
  const count = typed.until === "seeds" ? { seeds: Number(typed.seeds) } : { seconds: Number(typed.seconds) };
  const body = { ...chosen?.[2], ...(Number(typed.seed) ? { seed: Number(typed.seed) } : {}), ...count, mix: typed.mix };
  const send = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      go(to("simulations", (await asked("POST", PATH, { body })).data.id));
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<${Card} title="A campaign"><form class="begin" onSubmit=${send}>
    <div class="field wide"><label for="sim-of">Of</label><select id="sim-of" value=${chosen?.[0]} onChange=${set("of")}>
      ${all.map(([key, words]) => html`<option key=${key} value=${key}>${words}</option>`)}</select></div>
    <div class="field"><label for="sim-mix">What goes wrong</label><select id="sim-mix" value=${typed.mix} onChange=${set("mix")}>
      ${MIXES.map(([name, words]) => html`<option key=${name} value=${name}>${name}: ${words}</option>`)}</select></div>
    <div class="field"><label for="sim-until">How long</label><span class="pair">
      <input id="sim-count" type="number" min="1" max=${typed.until === "seeds" ? 100_000 : 600} required value=${typed[typed.until]} onInput=${set(typed.until)} aria-label=${`How many ${typed.until}`} />
      <select id="sim-until" value=${typed.until} onChange=${set("until")}><option value="seeds">seeds of each</option><option value="seconds">seconds</option></select></span></div>
    <div class="field"><label for="sim-seed">First seed</label><input id="sim-seed" type="number" min="0" max="9007199254740991" value=${typed.seed} onInput=${set("seed")} /></div>
    <div class="go"><button class="primary" type="submit" disabled=${!chosen || state.busy}>Simulate</button></div>
    <${Trouble} problem=${state.problem} />
    <div class="calls"><${Call} method="POST" path=${PATH} body=${body} command=${commandOf(body)} /></div>
  </form><//>`;
}
