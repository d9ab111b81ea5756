// What happened to an entity as a picture: its states, what ran meanwhile, and each event; idle time is cut out.
import { clock, duration } from "../format.js";
import { runsOf, scaleOf, visitsOf } from "../history.js";
import { kindIn } from "../model.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { named } from "./feed.js";

const LANE = 22;
const LEFT = 4;
const BELOW = 20;

export function Timeline({ events, model, now }) {
  const box = useRef(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const sized = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.floor(entry.contentRect.width))));
    sized.observe(box.current);
    return () => sized.disconnect();
  }, []);
  return html`<div class="timeline" ref=${box}>${events.length > 0 && html`<${Drawn} events=${events} model=${model} now=${now} width=${width} />`}</div>`;
}

function Drawn({ events, model, now, width }) {
  const visits = visitsOf(events);
  const runs = runsOf(events);
  const isOver = kindIn(model, visits.at(-1).state) === "final";
  const end = isOver ? Date.parse(events.at(-1).time) : Math.max(now, Date.parse(events.at(-1).time));
  const ticks = events.map((event) => ({ event, ms: Date.parse(event.time) }));
  const moments = [...ticks.map(({ ms }) => ms), end];
  const scale = scaleOf(moments, width - 2 * LEFT);
  const effects = [...new Set(runs.map(({ effect }) => effect))];
  const height = LANE * (effects.length + 2) + BELOW;
  return html`<svg width=${width} height=${height} role="img" aria-label=${told(visits)}>
      <g transform="translate(${LEFT} 0)">
        ${labelled(scale).map((one) => html`<g key=${`break-${one.from}`} class="cut">
          <rect x=${one.x} y="0" width=${one.width} height=${height - BELOW}><title>${one.said}, cut out</title></rect>
          ${one.at !== null && html`<text x=${one.at} y=${height - 6} text-anchor="middle">${one.said}</text>`}
        </g>`)}
        ${visits.map((visit, i) => html`<${Visit} key=${i} visit=${visit} kind=${kindIn(model, visit.state)} scale=${scale} end=${end} />`)}
        ${effects.map((effect, lane) => html`<g key=${effect} transform="translate(0 ${LANE * (lane + 1)})">
          ${runs.filter((run) => run.effect === effect).map((run) => html`<${Run} key=${run.number} run=${run} scale=${scale} end=${end} />`)}
        </g>`)}
        <g transform="translate(0 ${LANE * (effects.length + 1)})">
          <line class="axis" x1="0" x2=${scale.width} y1="11" y2="11" />
          ${ticks.map(({ event, ms }) => html`<circle key=${event.id} class=${event.ok === false ? "bad" : event.action ? "act" : ""} cx=${scale.x(ms)} cy="11" r=${event.action ? 3.5 : 2}>
            <title>${`${named(event)}, ${clock(event.time)}`}</title>
          </circle>`)}
        </g>
      </g>
    </svg>`;
}

/** The cuts with what they say and where, in the middle below each; what has no room is only pointed at. */
function labelled(scale) {
  let free = 0;
  return scale.breaks.map((one) => {
    const said = duration(one.to - one.from);
    const half = 3.4 * said.length;
    const at = Math.max(half, Math.min(scale.width - half, one.x + one.width / 2));
    const fits = at - half >= free;
    if (fits) free = at + half + 6;
    return { ...one, said, at: fits ? at : null };
  });
}

const told = (visits) =>
  `Visits: ${visits.map(({ state, from, to }) => `${state}${to === null ? "" : ` for ${duration(to - from)}`}`).join(", then ")}`;

function Visit({ visit, kind, scale, end }) {
  const x = scale.x(visit.from);
  const to = visit.to ?? end;
  const width = Math.max(2, scale.x(to) - x - 1);
  const label = `${visit.state}, ${duration(to - visit.from)}`;
  return html`<g class=${`visit ${kind ?? "rests"}`}>
    <rect x=${x} y="2" width=${width} height=${LANE - 5} rx="3"><title>${label}</title></rect>
    ${width > 7 * visit.state.length + 8 && html`<text x=${x + 6} y="14">${visit.state}</text>`}
  </g>`;
}

function Run({ run, scale, end }) {
  const x = scale.x(run.from);
  const width = Math.max(3, scale.x(run.to ?? end) - x);
  const how = run.to === null ? "runs" : run.ok === false ? "failed" : run.ok === null ? "stopped" : "ended";
  return html`<g class=${`run ${how}`}>
    <rect x=${x} y="5" width=${width} height=${LANE - 11} rx="2"><title>${`${run.effect}, ${how}, ${duration((run.to ?? end) - run.from)}`}</title></rect>
    ${width > 6.5 * run.effect.length + 8 && html`<text x=${x + 5} y="14">${run.effect}</text>`}
  </g>`;
}
