// Decisions: what was denied and is asked for. Each is explained; it is approved as narrowly as it can be, or denied.
import { ask, at, get, useGet } from "../api.js";
import { isDecision, useNotices } from "../events.js";
import { clock, value } from "../format.js";
import { useKeys } from "../keys.js";
import { now } from "../now.js";
import { me } from "../places.js";
import { Empty, EntityLink, Head, Trouble, When, Who } from "../parts/bits.js";
import { Call, quoted, said } from "../parts/call.js";
import { Prose } from "../parts/prose.js";
import { Waiting } from "../parts/shell.js";
import { ask as asking, query, to } from "../router.js";
import { html, useEffect, useState } from "../ui.js";

const STATES = ["open", "approved", "denied", "withdrawn", "used", "expired"];
const EXPIRY_MS_LIMIT = 2 ** 31 - 2_000;

export default function Decisions() {
  const state = query.value.get("state") ?? "open";
  const path = `/v1/decisions?state=${state}&limit=100`;
  const { data, problem, reload } = useGet(path, useNotices(isDecision));
  useExpiry(data?.items, reload);
  useKeys({
    a: { does: () => press("approve"), said: "approve the request that has the focus" },
    d: { does: () => press("deny"), said: "deny it" },
  });
  return html`<div class="decisions">
    <${Head} title="Decisions" about="What was denied and is asked for. Whoever asked, or is acted for, decides nothing here." />
    <div class="filter"><div class="chips" role="group" aria-label="State">
      ${STATES.map((one) => html`<button key=${one} class="chip plain" aria-pressed=${state === one} onClick=${() => asking({ state: one === "open" ? "" : one })}>${one}</button>`)}
    </div></div>
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && !data.items.length && html`<section class="card"><${Empty} title=${state === "open" ? "Nothing waits for a decision." : "There are none."} /></section>`}
    ${data?.items.map((one) => html`<${Decision} key=${one.id} one=${one} onDone=${reload} />`)}
    <${Call} path=${path} command=${`lathe decisions list${state === "open" ? "" : ` --state ${state}`}`} />
  </div>`;
}

/** Ask again when the first of what is shown expires: nobody does that, so nobody tells. */
function useExpiry(items, reload) {
  const next = Math.min(...(items ?? []).filter(({ state }) => state === "open" || state === "approved").map(({ expires }) => Date.parse(expires)));
  useEffect(() => {
    const wait = next - Date.now();
    if (!(wait > 0 && wait < EXPIRY_MS_LIMIT)) return undefined;
    const timer = setTimeout(reload, wait + 1_000);
    return () => clearTimeout(timer);
  }, [next]);
}

/** Press a button of the request that has the focus, or of the first. */
function press(name) {
  const focused = document.activeElement?.closest("[data-decision]") ?? document.querySelector("[data-decision]");
  focused?.querySelector(`[data-do="${name}"]`)?.click();
}

function Decision({ one, onDone }) {
  const [open, setOpen] = useState(null);
  const isMine = one.chain.includes(me.value?.principal);
  const canDecide = one.state === "open" && !isMine && (me.value?.scopes.includes("decide") || me.value?.scopes.includes("operator"));
  const done = () => (setOpen(null), onDone());
  return html`<section class="card decision" data-row data-decision=${one.id} tabindex="-1" aria-label=${`${one.by} asks`}>
    <p class="asks"><${Chain} chain=${one.chain} /> asks to <${What} one=${one} />
      <span class="muted"><${When} at=${one.asked} />, ${one.state === "open" ? `open until ${clock(one.expires, now.value)}` : one.state}</span></p>
    ${one.reason && html`<blockquote><bdi>${one.reason}</bdi></blockquote>`}
    <${Explained} one=${one} />
    ${one.decided_by && html`<p class="muted"><${Who} by=${one.decided_by} /> decided ${one.how ? `(${one.how})` : ""} <${When} at=${one.decided} />${one.note && html`: <bdi>${one.note}</bdi>`}</p>`}
    ${canDecide && html`<div class="choices">
      <button data-do="approve" class=${open === "approve" ? "chosen" : ""} aria-expanded=${open === "approve"} onClick=${() => setOpen(open === "approve" ? null : "approve")}>Approve<kbd>a</kbd></button>
      <button data-do="deny" class=${open === "deny" ? "chosen" : ""} aria-expanded=${open === "deny"} onClick=${() => setOpen(open === "deny" ? null : "deny")}>Deny<kbd>d</kbd></button>
    </div>`}
    ${one.state === "open" && isMine && html`<div class="choices"><button onClick=${() => setOpen(open === "withdraw" ? null : "withdraw")} aria-expanded=${open === "withdraw"}>Withdraw</button></div>`}
    ${open && html`<div class="chosen-form"><${Ruling} key=${open} one=${one} what=${open} onDone=${done} onCancel=${() => setOpen(null)} /></div>`}
  </section>`;
}

const Chain = ({ chain }) => html`<span>${chain.map((name, i) => html`<span key=${name}>${i > 0 && html`<span class="muted"> for </span>`}<${Who} by=${name} /></span>`)}</span>`;

function What({ one }) {
  if (one.apply) return html`<strong>apply a version of <bdi>${one.app}</bdi></strong>`;
  return html`<strong><bdi>${one.action}</bdi></strong> ${one.entity ? html`<${EntityLink} app=${one.app} plural=${one.plural} id=${one.entity} />` : html`a <bdi>${one.blueprint}</bdi>`} <span class="muted">in <bdi>${one.app}</bdi></span>`;
}

/** With what, as whom, and what stood in the way: the permits that came nearest, and their clauses that were false. */
function Explained({ one }) {
  const args = Object.entries(one.args ?? {});
  return html`<div class="explained">
    ${args.length > 0 && html`<dl class="changes">${args.map(([name, held]) => html`<div key=${name}><dt><bdi>${name}</bdi></dt><dd><bdi>${value(held)}</bdi></dd></div>`)}</dl>`}
    ${one.roles?.length > 0 && html`<p class="muted">holds: <bdi>${one.roles.join(", ")}</bdi></p>`}
    ${one.nearest && html`<${Nearest} nearest=${one.nearest} />`}
    ${one.changes?.length > 0 && html`<ul class="rows">${one.changes.map((change) => html`<li key=${change.path}>
      <code><bdi>${change.path}</bdi></code><span class="grow"><bdi>${change.what}</bdi></span>
      ${change.weaker && html`<span class="late">promises less</span>`}${change.breaking && html`<span class="late">breaks clients</span>`}</li>`)}</ul>`}
    ${one.apply && html`<${Files} one=${one} />`}
    ${one.check && html`<p><a href=${to("checks", one.check)}>see the check and its changes</a></p>`}
  </div>`;
}

/** What would be applied, byte by byte: got when somebody wants to see it. */
function Files({ one }) {
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const open = (event) => event.currentTarget.open && !found && get(at("decisions", one.id, "files")).then(setFound, setProblem);
  const modules = Object.keys(found?.binary ?? {});
  return html`<details onToggle=${open}><summary>the files, as they are applied</summary>
    <${Trouble} problem=${problem} />
    ${Object.entries(found?.files ?? {}).map(([path, text]) => html`<p key=${path}><code><bdi>${path}</bdi></code></p><pre tabindex="0" class="policy"><bdi>${text}</bdi></pre>`)}
    ${modules.length > 0 && html`<p class="muted">and ${modules.length} that are no text: <bdi>${modules.join(", ")}</bdi></p>`}
  </details>`;
}

function Nearest({ nearest }) {
  const found = Array.isArray(nearest) ? nearest : [nearest];
  return html`<dl class="nearest">${found.map((one, i) => html`<div key=${i}>
    <dt><code><bdi>${one.policy ?? one.id ?? "nearest permit"}</bdi></code></dt>
    <dd>${(one.clauses ?? one.false ?? []).map((clause) => html`<span key=${JSON.stringify(clause)} class="late"><${Clause} text=${typeof clause === "string" ? clause : (clause.text ?? JSON.stringify(clause))} /></span> `)}</dd>
  </div>`)}</dl>`;
}

/** A clause that stood in the way: a sentence about roles, or an expression that is false. */
const Clause = ({ text }) => (text.startsWith("needs ") ? html`<${Prose} text=${text.replace("; you hold ", "; who asks holds ")} />` : html`<code><bdi>${text}</bdi></code> is false`);

const HOURS = [["1", "an hour"], ["8", "eight hours"], ["24", "a day"]];

/** The command that rules the same. */
function commandOf({ id, digest }, what, { how, hours, any, note }) {
  const words = ["lathe decisions", what, id];
  if (what === "approve") words.push("--digest", digest);
  if (what === "approve" && how === "until") words.push("--until", `${hours}h`, ...(any ? ["--any-args"] : []));
  if (what === "approve" && how === "policy") words.push("--policy");
  if (what !== "withdraw" && note) words.push("--note", quoted(note));
  return words.join(" ");
}

/** The form of a ruling: how far an approval reaches, why a denial. */
function Ruling({ one, what, onDone, onCancel }) {
  const [how, setHow] = useState("once");
  const [hours, setHours] = useState("1");
  const [any, setAny] = useState(false);
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const body = what === "withdraw" ? {} : { note };
  if (what === "approve") Object.assign(body, { how, digest: one.digest });
  if (what === "approve" && how === "until") Object.assign(body, { until: new Date(now.value + hours * 3_600_000).toISOString(), args: any ? "any" : "same" });
  const path = at("decisions", one.id, what);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await ask("POST", path, { body });
      said.value = `${what}: done`;
      onDone();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const reach = (key, label, hint) => html`<label class="reach"><input type="radio" name=${`how-${one.id}`} checked=${how === key} onChange=${() => setHow(key)} /><span><strong>${label}</strong> <span class="muted">${hint}</span></span></label>`;
  return html`<form class="act" onSubmit=${send}>
    ${what === "approve" && html`<fieldset><legend class="sr">How far it reaches</legend>
      ${reach("once", "Once", "this very request, one time")}
      ${!one.apply && reach("until", "For a time", "this request, as often as it is made")}
      ${!one.apply && one.policy && reach("policy", "As a policy", "for good: checked and applied like any version")}
    </fieldset>`}
    ${what === "approve" && how === "until" && html`<div class="field"><label for=${`hours-${one.id}`}>For</label>
      <select id=${`hours-${one.id}`} value=${hours} onChange=${(event) => setHours(event.target.value)}>${HOURS.map(([n, label]) => html`<option key=${n} value=${n}>${label}</option>`)}</select>
      <label class="check"><input type="checkbox" checked=${any} onChange=${(event) => setAny(event.target.checked)} /> with whatever arguments</label></div>`}
    ${what === "approve" && how === "policy" && html`<pre tabindex="0" class="policy"><bdi>${one.policy}</bdi></pre>`}
    ${what !== "withdraw" && html`<div class="field"><label for=${`note-${one.id}`}>Why</label>
      <input id=${`note-${one.id}`} value=${note} onInput=${(event) => setNote(event.target.value)} maxlength="500" autocomplete="off" /></div>`}
    <${Trouble} problem=${problem} />
    <div class="buttons"><button type="submit" class=${what === "deny" ? "danger" : "primary"} disabled=${busy}>${{ approve: how === "once" ? "Approve once" : how === "until" ? "Approve for a time" : "Approve as a policy", deny: "Deny it", withdraw: "Withdraw it" }[what]}</button>
      <button type="button" class="quiet" onClick=${onCancel}>Cancel</button></div>
    <${Call} method="POST" path=${path} body=${body} command=${commandOf(one, what, { how, hours, any, note })} />
  </form>`;
}
