// What may happen next in a run that is gone on with by hand: each choice as a button, with what is given to it.
import { html, classes, useState } from "../ui.js";
import { Icon } from "../parts/icon.js";
import { useKeys } from "../keys.js";
import { changesLine, named, partsOf, whoOf } from "./traces.js";

const SHOWN_KEYS = 9;

/** A step without what came of it: what has to be said to take it. */
export function slim(step) {
  const { event, entity, action, by, actor, args, effect, timer, ok, cause, results, also, at } = step;
  const made = (also ?? []).filter((part) => part.action === "create").map((part) => ({ entity: part.entity, action: "create", by: "" }));
  const given = (held) => (held && Object.keys(held).length ? held : undefined);
  return { event, entity, action, by, actor, args: given(args), effect, timer, ok, cause, results: given(results), at, ...(made.length && { also: made }) };
}

export function Choices({ choices, busy, onTake }) {
  const can = choices.filter(({ step }) => !step.refused);
  const cannot = choices.filter(({ step }) => step.refused);
  const pick = (i) => (!busy && can[i] ? onTake(can[i].step) : false);
  useKeys(Object.fromEntries(Array.from({ length: SHOWN_KEYS }, (_, i) => [String(i + 1), { does: () => pick(i), said: i === 0 ? "1 to 9: take that choice" : "" }])), [choices, busy]);
  if (!choices.length) return html`<p class="pad muted">Nothing can happen any more.</p>`;
  return html`<div>
    <ul class="next">${can.map((one, i) => html`<${Choice} key=${keyOf(one)} one=${one} number=${i + 1} busy=${busy} onTake=${onTake} />`)}</ul>
    ${cannot.length > 0 && html`<details class="others pad"><summary>not possible now: ${cannot.length}</summary>
      <ul class="next">${cannot.map((one) => html`<${Choice} key=${keyOf(one)} one=${one} busy=${busy} onTake=${onTake} />`)}</ul></details>`}
  </div>`;
}

const keyOf = ({ step }) => [step.event, step.entity, step.action, step.by, step.effect, step.timer, step.ok].join(" ");

/** What a choice would change, in a line. */
function leads(step) {
  if (step.refused) return step.refused;
  const told = partsOf(step).map((part, i) => (i ? `also ${part.entity} ${part.action ?? ""}: ` : "") + changesLine(part)).filter(Boolean);
  if (step.event === "end") told.unshift([step.cause && `(${step.cause})`, step.action].filter(Boolean).join(" "));
  return told.filter(Boolean).join("; ");
}

/** What a choice is called: an end by the end, everything else by its action. */
const called = (step) => (step.event === "end" ? `${step.effect} ends ${step.ok ? "well" : "badly"}` : named(step));

function Choice({ one, number, busy, onTake }) {
  const { step, needs, breaks } = one;
  const [open, setOpen] = useState(false);
  const isOpenable = needs.length > 0 || step.actor;
  return html`<li class=${classes(step.refused && "refused")} data-row>
    <div class="choice">
      <button class="take" disabled=${busy || step.refused} onClick=${() => onTake(step)}>
        ${number && number <= SHOWN_KEYS ? html`<kbd>${number}</kbd>` : html`<span></span>`}
        <span class="do"><bdi>${called(step)}</bdi> <span class="whom"><bdi>${step.entity}</bdi></span></span>
        <span class="by"><bdi>${whoOf(step)}</bdi></span>
        <span class="what"><bdi>${leads(step)}</bdi></span>
      </button>
      ${isOpenable && html`<button class="quiet small only" aria-expanded=${open} aria-label=${`With other values: ${named(step)} of ${step.entity}`} onClick=${() => setOpen(!open)}><${Icon} name=${open ? "close" : "down"} /></button>`}
    </div>
    ${breaks.length > 0 && html`<p class="breaks"><${Icon} name="close" />breaks ${breaks.map((name) => html`<code key=${name}><bdi>${name}</bdi></code> `)}</p>`}
    ${open && html`<${Given} one=${one} busy=${busy} onTake=${onTake} />`}
  </li>`;
}

/** A value as a field holds it, and back. */
const shown = (held) => (held === undefined || held === null ? "" : Array.isArray(held) ? held.join(", ") : String(held));
function read(need, text) {
  if (need.kind === "int") return /^-?\d+$/.test(text.trim()) ? Number(text) : text;
  if (need.kind === "bool") return text === "true";
  if (need.kind === "set") return text.split(",").map((one) => one.trim()).filter(Boolean).map((one) => (/^-?\d+$/.test(one) ? Number(one) : one));
  return text;
}

/** The form of a choice: who takes it, and with what. */
function Given({ one, busy, onTake }) {
  const { step, needs } = one;
  const held = step.event === "end" ? (step.ok ? (step.results ?? {}) : { cause: step.cause }) : (step.args ?? {});
  const [typed, setTyped] = useState(() => ({ actor: step.actor ?? "", ...Object.fromEntries(needs.map(({ name }) => [`of ${name}`, shown(held[name])])) }));
  const set = (name) => (event) => setTyped((before) => ({ ...before, [name]: event.target.value }));
  const send = (event) => {
    event.preventDefault();
    const given = {};
    for (const need of needs) {
      const text = typed[`of ${need.name}`];
      if (text !== "" || (need.kind === "set" && !need.optional)) given[need.name] = read(need, text);
    }
    const more = step.event !== "end" ? { args: given } : step.ok ? { results: given } : { cause: given.cause };
    onTake({ ...step, ...more, ...(step.actor && { actor: typed.actor }) });
  };
  const id = `given-${keyOf(one).replaceAll(/\W+/g, "-")}`;
  return html`<form class="given" onSubmit=${send}>
    ${step.actor && html`<div class="field"><label for=${`${id}-actor`}>who</label><input id=${`${id}-actor`} value=${typed.actor} onInput=${set("actor")} required autocomplete="off" spellcheck=${false} /></div>`}
    ${needs.map((need) => html`<div key=${need.name} class="field"><label for=${`${id}-${need.name}`}><bdi>${need.name}</bdi></label>
      <${Value} id=${`${id}-${need.name}`} need=${need} held=${typed[`of ${need.name}`]} onInput=${set(`of ${need.name}`)} />
      <span class="hint"><bdi>${need.type}</bdi>${need.optional && ", may be left out"}</span></div>`)}
    <div class="buttons"><button class="primary" type="submit" disabled=${busy}>Take it</button></div>
  </form>`;
}

const CHOSEN = new Set(["bool", "enum", "ref"]);

function Value({ id, need, held, onInput }) {
  const samples = need.samples.map(shown);
  if (CHOSEN.has(need.kind)) {
    return html`<select id=${id} value=${held} onChange=${onInput}>
      ${(need.optional || !samples.includes(held)) && html`<option value="">left out</option>`}
      ${samples.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`;
  }
  return html`<input id=${id} value=${held} onInput=${onInput} list=${`${id}-some`} autocomplete="off" spellcheck=${false} />
    <datalist id=${`${id}-some`}>${samples.map((one) => html`<option key=${one} value=${one} />`)}</datalist>`;
}
