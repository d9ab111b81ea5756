// A run, to be walked through: its steps, what changed in one, who spoke to whom, and why it is wrong.
import { value } from "../format.js";
import { classes, html, useEffect, useMemo, useRef } from "../ui.js";
import { actorsOf, named, partsOf, stepLine, whoOf } from "./traces.js";
import { memo } from "./memo.js";
import { reveal } from "./reveal.js";
import { Icon } from "../parts/icon.js";

/** Every step as a row; `at` is the one that is looked at (0: before the first). */
export function Steps({ frames, at, onStep, loopFrom, ownFrom }) {
  const list = useRef(null);
  useEffect(() => {
    reveal(list.current, list.current?.querySelector('[aria-current="step"]'), 8);
  }, [at]);
  const many = new Set(frames.slice(1).map(({ step }) => step.entity)).size > 1;
  return html`<ol class="steps" ref=${list} aria-label="Steps">
    ${frames.map((frame) => html`<${StepRow} key=${frame.index} frame=${frame} is=${frame.index === at} onStep=${onStep} many=${many}
      inLoop=${loopFrom !== undefined && frame.index > loopFrom} isOwn=${ownFrom !== undefined && frame.index === ownFrom + 1} />`)}
  </ol>`;
}

const StepRow = memo(({ frame, is, onStep, many, inLoop, isOwn }) => {
  const { step, index, number, isLoopStart } = frame;
  const names = classes(is && "is", step?.refused && "refused", step && number === null && "between", inLoop && "lasso", isLoopStart && "first");
  return html`<li class=${names}>
    ${isLoopStart && html`<span class="round"><${Icon} name="loop" />from here on, again and again</span>`}
    ${isOwn && html`<span class="round own"><${Icon} name="fork" />from here on by hand</span>`}
    <button class="step" aria-current=${is ? "step" : undefined} onClick=${() => onStep(index)} tabindex=${is ? 0 : -1}>
      <span class="n">${step ? (number ?? "·") : "0"}</span>
      ${step
        ? html`<span class="by"><bdi>${whoOf(step)}</bdi></span><span class="do"><bdi>${named(step)}</bdi></span>
            ${many && html`<span class="whom"><bdi>${step.entity}</bdi></span>`}<span class="what"><bdi>${stepLine(step)}</bdi></span>`
        : html`<span class="what muted">before anything</span>`}
    </button>
  </li>`;
});

/** What the step changed; with `all`, everything that is known then, what changed marked. */
export function Changed({ frame, all }) {
  const changed = new Map(frame.changed.map((one) => [`${one.entity} ${one.name}`, one]));
  const rows = all
    ? [...frame.entities].flatMap(([entity, values]) => [...values].map(([name, now]) => ({ entity, name, after: now, ...changed.get(`${entity} ${name}`) })))
    : frame.changed;
  if (!rows.length) return html`<p class="muted pad">${frame.step ? "This step changes nothing." : "Nothing has happened yet."}</p>`;
  const many = new Set(rows.map(({ entity }) => entity)).size > 1;
  return html`<table class="changed">
    <thead><tr>${many && html`<th>of</th>`}<th>name</th><th>before</th><th>after</th></tr></thead>
    <tbody>${rows.map((row) => {
      const is = changed.has(`${row.entity} ${row.name}`);
      return html`<tr key=${`${row.entity} ${row.name}`} class=${is ? "is" : ""}>
        ${many && html`<td><bdi>${row.entity}</bdi></td>`}<td class="mono"><bdi>${row.name}</bdi></td>
        <td class="mono before"><bdi>${is ? value(row.before) : ""}</bdi></td><td class="mono after"><bdi>${value(row.after)}</bdi></td>
      </tr>`;
    })}</tbody>
  </table>`;
}

/** The parts of a property that are false, with what they read. */
export const Clauses = ({ clauses }) => html`<div class="clauses">
  ${clauses.map(({ text, values }) => html`<div key=${text} class="clause">
    <p><${Icon} name="close" /><span class="sr">False:</span><code><bdi>${text}</bdi></code></p>
    <dl>${Object.entries(values).map(([name, found]) => html`<div key=${name}><dt><bdi>${name}</bdi></dt><dd><bdi>${value(found)}</bdi></dd></div>`)}</dl>
  </div>`)}
</div>`;

const ROW = 30, TOP = 34, COLUMN = 150, FIRST = 78, LAST = 104, PAD = 22;

/** Who has which column, and where it stands. */
function arranged(trace) {
  const { left, right } = actorsOf(trace);
  const columns = [...left.map((name) => ({ name, kind: "actor" })), ...right.map((name) => ({ name, kind: "entity" }))];
  const gap = Math.max(112, Math.min(COLUMN, 760 / Math.max(1, columns.length - 1)));
  return { columns, gap, x: new Map(columns.map(({ name, kind }, i) => [`${kind} ${name}`, FIRST + i * gap])) };
}

/** The run as a sequence chart: who acts on the left, whom it happens to on the right, time downwards. */
export function Sequence({ trace, frames, at, onStep }) {
  const { columns, gap, x } = useMemo(() => arranged(trace), [trace]);
  const width = FIRST + LAST + (columns.length - 1) * gap;
  const height = TOP + ROW * trace.steps.length + PAD;
  const loop = trace.loop_from;
  const state = useRef(null);
  useEffect(() => {
    reveal(state.current, state.current?.querySelector(".message.is .at"));
  }, [at]);
  return html`<div class="sequence" ref=${state} tabindex="0" role="group" aria-label="Sequence chart">
    <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`${columns.length} parties, ${trace.steps.length} events`}>
      ${columns.map(({ name, kind }) => html`<g key=${kind + name} class=${`party ${kind}`}>
        <line x1=${x.get(`${kind} ${name}`)} x2=${x.get(`${kind} ${name}`)} y1=${TOP - 6} y2=${height - 8} />
        <rect x=${x.get(`${kind} ${name}`) - gap / 2 + 6} y="4" width=${gap - 12} height="22" rx="4" />
        <text x=${x.get(`${kind} ${name}`)} y="19" text-anchor="middle"><title>${name}</title>${clipped(name, gap)}</text>
      </g>`)}
      ${loop !== undefined && html`<g class="lasso">
        <path d=${`M12 ${TOP + ROW * loop + 4}H6V${height - PAD + 2}H12`} />
        <text x="0" y="0" transform=${`translate(17 ${TOP + ROW * loop + 22}) `}>again</text>
      </g>`}
      ${frames.slice(1).map((frame) => html`<${Message} key=${frame.index} frame=${frame} x=${x} is=${frame.index === at} isPast=${frame.index < at} onStep=${onStep} />`)}
    </svg>
  </div>`;
}

const clipped = (text, px) => {
  const room = Math.max(4, Math.floor((px - 20) / 6.6));
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
};

const Message = memo(({ frame, x, is, isPast, onStep }) => {
  const { step, index, number } = frame;
  const y = TOP + ROW * (index - 1) + 18;
  const from = x.get(`actor ${whoOf(step)}`);
  const parts = partsOf(step);
  const names = classes("message", is && "is", isPast && "past", number === null && "between", step.refused && "refused");
  const to = x.get(`entity ${parts[0].entity}`);
  const moved = parts[0].changes.state;
  return html`<g class=${names} onClick=${() => onStep(index)}>
    <rect class="at" x=${Math.min(from, to)} y=${y - 14} width=${Math.abs(to - from)} height="20" /><rect class="band" x="0" y=${y - 18} width="100%" height=${ROW} />
    <line x1=${from} x2=${to - 6} y1=${y} y2=${y} /><path d=${`M${to - 7} ${y - 4}L${to} ${y}L${to - 7} ${y + 4}Z`} />
    <text x=${from + 6} y=${y - 4}><tspan class="n">${number ?? "·"}</tspan> ${named(step)}</text>
    ${moved && html`<text class="state" x=${to + 6} y=${parts.length > 1 ? y + 13 : y + 4}>${clipped(String(moved[1]), 96)}</text>`}
    ${step.refused && html`<path class="cross" d=${`M${to + 4} ${y - 5}l10 10M${to + 14} ${y - 5}l-10 10`} />`}
    ${parts.slice(1).map((part) => {
      const other = x.get(`entity ${part.entity}`);
      return html`<g key=${part.entity} class="joint"><line x1=${to} x2=${other} y1=${y} y2=${y} /><circle cx=${other} cy=${y} r="3.5" />
        <text x=${other + 6} y=${y - 4}>${part.action}</text>
        ${part.changes.state && html`<text class="state" x=${other + 6} y=${y + 13}>${clipped(String(part.changes.state[1]), 96)}</text>`}</g>`;
    })}
  </g>`;
});
