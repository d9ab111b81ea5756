// One campaign: how fast it goes, how far it is, what failed of which cause; each failure opens as a trace.
import { ask as asked, at, useGet } from "../api.js";
import { duration, number, plural } from "../format.js";
import { Going, commandOf, isGoing, repeating } from "../lazy/campaign.js";
import { useNotices } from "../events.js";
import { shortDigest } from "../lazy/subjects.js";
import { Card, Head, Trouble, When } from "../parts/bits.js";
import { Call, Copy } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { Prose } from "../parts/prose.js";
import { Waiting } from "../parts/shell.js";
import { to } from "../router.js";
import { html, useState } from "../ui.js";

export default function Simulation({ id }) {
  const path = at("simulations", id);
  const { data, problem, reload } = useGet(path, useNotices((kind, one) => kind === "simulation" && one.id === id, 300));
  if (!data) return problem ? html`<${Trouble} problem=${problem} onRetry=${reload} />` : html`<${Waiting} />`;
  return html`<div class="simulation">
    <${Head} title=${`${data.app || "unnamed"}, simulated`} crumbs=${[["Simulator", to("simulations")]]} about=${html`<${About} one=${data} />`}>
      <${Going} one=${data} /> ${isGoing(data) && html`<${Ending} path=${path} onDone=${reload} />`}
    <//>
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${data.said && html`<p class="notice bad" role="alert"><${Icon} name="warn" /> <bdi>${data.said}</bdi></p>`}
    <${Figures} one=${data} />
    ${data.progress && html`<${Failures} one=${data} />
      <div class="halves"><${Taken} taken=${data.progress.taken} /><${Faults} faults=${data.progress.faults} /></div>`}
    <${Call} path=${path} command=${commandOf(data.asked)} />
  </div>`;
}

function About({ one }) {
  const { seed, seeds, seconds, mix } = one.asked;
  const of = one.check ? html`<a href=${to("checks", one.check)}>check ${one.check.slice(0, 8)}</a>` : html`<a href=${to("apps", one.app, "versions", one.digest)}>version ${shortDigest(one.digest)}</a>`;
  const long = [seeds && `${plural(seeds, "seed")} of ${mix === "all" ? "each mix" : mix}`, seconds && `${mix === "all" || seeds ? "" : `${mix}, `}${duration(seconds * 1_000)} at most`, seed && `from seed ${number(seed)} on`];
  return html`${of}: ${long.filter(Boolean).join(", ")}; by <bdi>${one.by}</bdi>, <${When} at=${one.at} />`;
}

function Ending({ path, onDone }) {
  const [busy, setBusy] = useState(false);
  const end = async () => {
    setBusy(true);
    await asked("POST", `${path}/cancel`).catch(() => undefined);
    onDone();
  };
  return html`<button class="small" disabled=${busy} onClick=${end}><${Icon} name="close" />End it</button>`;
}

function Figures({ one }) {
  const { asked: wanted, progress } = one;
  const found = progress ?? { seeds: 0, steps: 0, committed: 0, seconds: 0, virtual_seconds: 0, failed: 0 };
  const most = wanted.seeds && wanted.seeds * (wanted.mix === "all" ? 3 : 1);
  const share = Math.min(1, most ? found.seeds / most : wanted.seconds ? found.seconds / wanted.seconds : 0);
  const rate = found.seconds ? found.steps / found.seconds : 0;
  const times = found.seconds ? found.virtual_seconds / found.seconds : 0;
  const done = isGoing(one) ? share : 1;
  return html`<dl class="figures campaign">
    <div class="grow"><dt>seeds</dt><dd><span>${number(found.seeds)}</span>${most && html`<span class="of">of ${number(most)}</span>`}
      <svg class="far" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="4" /><rect class=${isGoing(one) ? "is" : "was"} width=${done * 100} height="4" /></svg></dd></div>
    <div><dt>steps a second</dt><dd>${number(Math.round(rate))}</dd></div>
    <div><dt>virtual time</dt><dd><span>${found.virtual_seconds ? duration(found.virtual_seconds * 1_000) : "–"}</span><span class="of">in ${duration(found.seconds * 1_000)}</span></dd></div>
    <div><dt>as fast as life</dt><dd>${times ? `${number(Math.round(times))}×` : "–"}</dd></div>
    <div><dt>committed</dt><dd>${number(found.committed)}</dd></div>
    <div><dt>failed</dt><dd class=${found.failed ? "alarm" : ""}>${number(found.failed)}</dd></div>
  </dl>`;
}

function Failures({ one }) {
  const { causes, failed } = one.progress;
  if (!failed) {
    const words = isGoing(one) ? "Nothing found so far." : `Nothing was found in ${plural(one.progress.seeds, "seed")}. That is no proof: it is what these seeds did.`;
    return html`<p class="notice good" role="status"><${Icon} name="done" />${words}</p>`;
  }
  return html`<div>${causes.map((cause) => html`<${Cause} key=${cause.cause} one=${one} cause=${cause} />`)}</div>`;
}

/** What failed for one cause: what the first said, its line, and the runs, each as a trace. */
function Cause({ one, cause }) {
  const line = repeating(cause.runs[0]);
  const more = cause.count - cause.runs.length;
  return html`<section class="finding error" data-row aria-label=${cause.cause}>
    <header><h2><${Icon} name="close" /><bdi>${cause.cause}</bdi></h2><span class="muted">${plural(cause.count, "seed")}</span></header>
    <p class="message"><${Prose} text=${cause.said} /></p>
    <p class="seed-links">${cause.runs.map(({ seed, mix }, i) => html`<a key=${`${mix}${seed}`} class=${i ? "run-link" : "button primary"} href=${to("simulations", one.id, "runs", mix, seed)}>${i ? `${mix} ${seed}` : html`Walk through seed ${seed}, ${mix}`}</a>`)}
      ${more > 0 && html`<span class="muted">and ${number(more)} more</span>`}</p>
    <div class="command"><pre tabindex="0">${line}</pre><${Copy} text=${line} label="Copy the line" /></div>
  </section>`;
}

function Taken({ taken }) {
  const all = Object.entries(taken).sort(([, a], [, b]) => b - a);
  return html`<${Card} title="Actions taken" flush><${Shares} all=${all} /><//>`;
}

function Faults({ faults }) {
  const all = Object.entries(faults).sort(([, a], [, b]) => b - a);
  return html`<${Card} title="What went wrong, on purpose" flush><${Shares} all=${all} /><//>`;
}

function Shares({ all }) {
  if (!all.length) return html`<p class="pad muted">nothing</p>`;
  const most = Math.max(...all.map(([, n]) => n));
  return html`<ul class="shares">${all.map(([name, n]) => html`<li key=${name}><bdi>${name}</bdi>
    <svg class="share" viewBox="0 0 72 6" preserveAspectRatio="none" aria-hidden="true"><rect width="72" height="6" rx="3" /><rect width=${Math.max(2, (n / most) * 72)} height="6" rx="3" /></svg>
    <span class="n">${number(n)}</span></li>`)}</ul>`;
}
