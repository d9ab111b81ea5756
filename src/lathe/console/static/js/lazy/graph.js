// A blueprint's states and actions as a picture of our own: live counts, coverage, a difference or a run upon it.
import { number } from "../format.js";
import { classes, html, useEffect, useMemo, useRef, useState } from "../ui.js";
import { Icon } from "../parts/icon.js";
import { fitting } from "./layout.js";
import { memo } from "./memo.js";
import { reveal } from "./reveal.js";

const NAME = '600 13px system-ui, "Noto Sans", Arial, sans-serif';
const SMALL = '11px system-ui, "Noto Sans", Arial, sans-serif';
const LABEL = '550 12px system-ui, "Noto Sans", Arial, sans-serif';
const LINE = 15;
const WORDS_LIMIT = 34;
const LEAST_SCALE = 0.8;
const START = "\u0000start";
const ZOOMS = [0.6, 0.75, 0.9, 1, 1.25, 1.6];

let pen;
/** The width of a text in a font, in pixels. */
function wide(text, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = font;
  return Math.ceil(pen.measureText(text).width);
}

const cut = (text, limit = WORDS_LIMIT) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);
const kindOf = (state) => (state.final ? "final" : state.runs ? "runs" : state.waits ? "waits" : "rests");
const told = ({ action, who }) => cut(`${action}${who ? ` · ${who}` : ""}`, 40);

/** What a state shows below its name, line by line. */
function linesOf(state) {
  const lines = [];
  if (state.runs) lines.push({ icon: "run", text: cut(state.runs) });
  if (state.timer) lines.push({ icon: "late", text: cut(state.timer) });
  if (state.waits) lines.push({ icon: "hand", text: cut(state.waits) });
  for (const label of [...state.loops, ...state.stays]) lines.push({ icon: "rest", text: told(label), label });
  for (const label of state.chips) lines.push({ chip: true, text: `${cut(label.origin, 22)} → ${told(label)}`, label });
  return lines;
}

/** The states in the order in which they are come to from the first: the picture follows it. */
function ordered({ initial, states, edges }) {
  const found = new Set([initial]);
  for (const name of found) for (const { source, target } of edges) if (source === name) found.add(target);
  const known = new Map(states.map((state) => [state.name, state]));
  return [...new Set([...found, ...known.keys()])].map((name) => known.get(name)).filter(Boolean);
}

/** Boxes and arrows with their sizes, before anybody says where they stand. */
export function measured(blueprint) {
  const nodes = ordered(blueprint).map((state) => {
    const lines = linesOf(state);
    const texts = lines.map((line) => wide(line.text, SMALL) + (line.chip ? 18 : 30));
    const width = Math.max(84, wide(state.name, NAME) + 66, ...texts.map((n) => n + 10));
    const chips = lines.filter((line) => line.chip).length;
    return { id: state.name, state, lines, width, height: 32 + LINE * lines.length + 4 * chips + (lines.length ? 5 : 0) };
  });
  const edges = blueprint.edges.map((edge) => {
    const widths = edge.labels.map(({ action, who }) => wide(action, LABEL) + (who ? wide(` ${cut(who, 26)}`, SMALL) + 4 : 0));
    return { id: `${edge.source} ${edge.target}`, ...edge, width: Math.max(...widths) + 10, height: LINE * edge.labels.length + 3 };
  });
  if (blueprint.create) {
    nodes.unshift({ id: START, lines: [], width: 12, height: 12 });
    const label = blueprint.create;
    const width = wide(label.action, LABEL) + wide(` ${cut(label.who, 26)}`, SMALL) + 14;
    edges.unshift({ id: START, source: START, target: blueprint.initial, labels: [label], width, height: LINE + 3 });
  }
  return { nodes, edges };
}

/** A path through points with round corners. */
function rounded(points) {
  if (points.length < 2) return "";
  let path = `M${points[0].join(" ")}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [[ax, ay], [bx, by], [cx, cy]] = [points[i - 1], points[i], points[i + 1]];
    const before = Math.hypot(bx - ax, by - ay), after = Math.hypot(cx - bx, cy - by);
    const r = Math.min(6, before / 2, after / 2);
    if (r < 0.5) continue;
    path += `L${bx - ((bx - ax) / before) * r} ${by - ((by - ay) / before) * r}`;
    path += `Q${bx} ${by} ${bx + ((cx - bx) / after) * r} ${by + ((cy - by) / after) * r}`;
  }
  return `${path}L${points.at(-1).join(" ")}`;
}

function tip(points) {
  const [[ax, ay], [bx, by]] = points.slice(-2);
  const angle = Math.atan2(by - ay, bx - ax);
  const at = (turn) => `${bx - 8 * Math.cos(angle + turn)} ${by - 8 * Math.sin(angle + turn)}`;
  return `M${at(0.42)}L${bx} ${by}L${at(-0.42)}Z`;
}

/**
 * The graph of one blueprint (`lathe.graph/1`, or a `union` of two).
 *
 * `counts` are live entities by state; `covered` counts `{states, actions}` by `Blueprint.name`; `run` is
 * `{at, from, action, seen}`: where a trace is, and where it was. `picked` is the name of a state or action.
 */
export function Graph({ blueprint, counts, covered, run, picked, onPick, short }) {
  const frame = useRef(null);
  const [places, setPlaces] = useState(null);
  const [zoom, setZoom] = useState(null);
  const [room, setRoom] = useState(0);
  const sized = useMemo(() => measured(blueprint), [blueprint]);
  useEffect(() => {
    const seen = new ResizeObserver(([{ contentRect }]) => setRoom(Math.floor(contentRect.width)));
    seen.observe(frame.current);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    if (!room) return undefined;
    let is = true;
    const bare = {
      nodes: sized.nodes.map(({ id, width, height }) => ({ id, width, height })),
      edges: sized.edges.map(({ id, source, target, width, height }) => ({ id, source, target, width, height })),
    };
    fitting(bare, room).then((found) => is && setPlaces({ found, sized }));
    return () => (is = false);
  }, [sized, room]);
  useEffect(() => {
    if (!frame.current || !places || (run && !run.at)) return;
    // What is wider than the box is shown from where an entity begins, or from where the run is.
    reveal(frame.current, frame.current.querySelector(run ? '[data-at="true"]' : `[data-state="${blueprint.initial}"]`));
  }, [run?.at, places]);
  const now = places?.sized === sized ? places.found : null;
  const fit = now ? Math.max(LEAST_SCALE, Math.min(1, room / now.width)) : 1;
  const scale = zoom ?? fit;
  const smaller = ZOOMS.findLast((one) => one < scale - 0.01), larger = ZOOMS.find((one) => one > scale + 0.01);
  const shared = { blueprint, covered, picked, onPick };
  return html`<div class=${classes("graph", short && "short")}>
    <div class="picture" ref=${frame} tabindex="0" role="group" aria-label=${`State graph of ${blueprint.name}`}>
      ${now
        ? html`<svg width=${now.width * scale} height=${now.height * scale} viewBox=${`0 0 ${now.width} ${now.height}`}>
            ${sized.edges.map((edge) => html`<${Edge} key=${edge.id} edge=${edge} place=${now.edges.get(edge.id)} way=${wayOf(edge, run)} ...${shared} />`)}
            ${sized.nodes.map((node) => html`<${Node} key=${node.id} node=${node} place=${now.nodes.get(node.id)} is=${run?.at === node.id} seen=${Boolean(run?.seen?.has(node.id))} count=${counts?.get(node.id)} ...${shared} />`)}
          </svg>`
        : html`<p class="muted wait">Laying out ${blueprint.states.length} states</p>`}
    </div>
    <div class="tools">
      ${blueprint.anywhere.length > 0 && html`<span class="anywhere"><span class="muted">in any state:</span>
        ${blueprint.anywhere.map((label) => html`<span key=${label.action} class=${classes("chip", label.mark)}><bdi>${told(label)}</bdi></span>`)}</span>`}
      <span class="zoom">
        <button class="quiet small only" disabled=${!smaller} onClick=${() => setZoom(smaller)} aria-label="Smaller">−</button>
        <span class="muted">${Math.round(scale * 100)} %</span>
        <button class="quiet small only" disabled=${!larger} onClick=${() => setZoom(larger)} aria-label="Larger">+</button>
      </span>
    </div>
  </div>`;
}

/** What a mark says, to whoever does not see the colour. */
export const MARKS = { added: "+", removed: "−", changed: "~" };

/** Whether a run takes an edge now, took it before, or neither. */
function wayOf(edge, run) {
  if (!run) return "";
  const takes = edge.source === run.from && edge.labels.some(({ action }) => action === run.action);
  const isBorn = edge.id === START && run.action === "create";
  if (edge.target === run.at && (takes || isBorn)) return "taken";
  return run.ways?.has(edge.id) ? "seen" : "";
}

const Edge = memo(({ edge, place, way, blueprint, covered, picked, onPick }) => {
  if (!place?.points.length) return null;
  const has = edge.labels.some(({ action }) => action === picked);
  const never = covered && edge.labels.every(({ action }) => covered.actions[`${blueprint.name}.${action}`] === 0);
  const names = classes("edge", edge.trouble && "trouble", edge.mark, way, has && "picked", never && "never");
  return html`<g class=${names}>
    <path class="line" d=${rounded(place.points)} /><path class="tip" d=${tip(place.points)} />
    ${place.label && html`<g transform=${`translate(${place.label.x} ${place.label.y})`}>
      <rect class="plate" width=${edge.width} height=${edge.height} rx="3" />
      ${edge.labels.map((label, i) => html`<text key=${i} x="5" y=${12 + LINE * i} class=${classes("label", label.mark, label.trouble && "trouble")}
        onClick=${() => onPick?.(label.action)}>
        <title>${label.guard ? `${label.action} when ${label.guard}` : label.action}</title>
        ${MARKS[label.mark] ?? ""}<tspan class="action">${label.action}</tspan><tspan class="by">${label.who ? ` ${cut(label.who, 26)}` : ""}</tspan>
      </text>`)}
    </g>`}
  </g>`;
});

const Node = memo(({ node, place, is, seen, count, blueprint, covered, picked, onPick }) => {
  if (node.id === START) return html`<circle class="start" cx=${place.x + 6} cy=${place.y + 6} r="6" />`;
  const { state, lines, width, height } = node;
  const times = covered?.states[`${blueprint.name}.${state.name}`];
  const names = classes(
    "node", kindOf(state), state.mark, picked === state.name && "picked", is && "at",
    !is && seen && "seen", times === 0 && "never",
  );
  const pick = () => onPick?.(state.name);
  const press = (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), pick());
  const badge = covered ? times : count;
  const words = `${state.name}${state.mark ? `, ${state.mark}` : ""}${count !== undefined ? `, ${count} entities` : ""}${is ? ", the run is here" : ""}`;
  return html`<g class=${names} data-at=${is} data-state=${state.name} transform=${`translate(${place.x} ${place.y})`}
    role=${onPick && "button"} tabindex=${onPick && "0"} aria-label=${words} aria-pressed=${onPick && picked === state.name} onClick=${pick} onKeyDown=${press}>
    <title>${state.doc || state.waits || state.name}</title>
    <rect class="box" width=${width} height=${height} rx="6" />
    ${state.final && html`<rect class="inner" x="3" y="3" width=${width - 6} height=${height - 6} rx="4" />`}
    <text class="name" x="12" y="20">${MARKS[state.mark] ? `${MARKS[state.mark]} ` : ""}${state.name}</text>
    ${badge !== undefined && html`<text class=${classes("badge", !badge && "zero")} x=${width - 12} y="20" text-anchor="end">${number(badge)}</text>`}
    ${lines.map((line, i) => html`<${Line} key=${i} line=${line} y=${30 + LINE * i + 4 * lines.slice(0, i).filter((one) => one.chip).length} width=${width} picked=${picked} />`)}
  </g>`;
});

function Line({ line, y, width, picked }) {
  const names = classes("detail", line.chip && "chip", line.label?.mark, line.label && line.label.action === picked && "picked");
  return html`<g class=${names} transform=${`translate(0 ${y})`}>
    ${line.chip && html`<rect x="8" y="0" width=${width - 16} height="16" rx="8" />`}
    ${!line.chip && html`<svg x="10" y="2" width="12" height="12" viewBox="0 0 16 16"><${Icon} name=${line.icon} /></svg>`}
    <text x=${line.chip ? 16 : 27} y="12">${MARKS[line.label?.mark] ? `${MARKS[line.label.mark]} ` : ""}${line.text}</text>
  </g>`;
}

/** What the marks of a difference mean, in words. */
export const Legend = () => html`<ul class="legend">
  <li class="added"><span>+</span> added</li><li class="removed"><span>−</span> removed</li><li class="changed"><span>~</span> changed</li>
</ul>`;
