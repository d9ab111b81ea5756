// Where the boxes of a state graph stand: elkjs in a worker, asked once for each picture; layers of our own where
// it does not answer.

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.layered.spacing.nodeNodeBetweenLayers": "20",
  "elk.layered.spacing.edgeNodeBetweenLayers": "10",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "8",
  "elk.spacing.nodeNode": "26",
  "elk.spacing.edgeNode": "18",
  "elk.spacing.edgeEdge": "12",
  "elk.spacing.edgeLabel": "4",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.layered.cycleBreaking.strategy": "MODEL_ORDER",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.crossingMinimization.forceNodeModelOrder": "false",
  "elk.padding": "[top=8,left=8,bottom=8,right=8]",
};
const INLINE = { "elk.edgeLabels.inline": "true" };
const PATIENCE_MS = 6_000;
const KEPT_LIMIT = 40;

const kept = new Map();
let worker = null;
let asked = 0;
const waiting = new Map();

/** The worker, started when it is first needed. Its address goes through the one policy that the page allows. */
function started() {
  if (worker) return worker;
  const address = new URL("../../lib/elk-worker.min.js", import.meta.url).href;
  const policy = globalThis.trustedTypes?.createPolicy("lathe", { createScriptURL: (url) => url });
  worker = new Worker(policy ? policy.createScriptURL(address) : address);
  worker.onmessage = ({ data }) => {
    const one = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) one?.reject(new Error(data.error.message ?? "no layout"));
    else one?.resolve(data.data);
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Error("the layout worker does not run"));
    waiting.clear();
  };
  send({ cmd: "register", algorithms: ["layered"] });
  return worker;
}

function send(message) {
  const id = asked++;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, ...message });
  });
}

/** The layout that suits a width best: beside each other if that fits, else the narrower of both. */
export async function fitting(graph, room) {
  const beside = await layout(graph, "RIGHT");
  if (beside.width <= room) return beside;
  const below = await layout(graph, "DOWN");
  return below.width < beside.width ? below : beside;
}

/**
 * Places for nodes `{id, width, height}` and edges `{id, source, target, width, height}` (the size of the label):
 * `{width, height, nodes: Map(id → {x, y}), edges: Map(id → {points, label: {x, y}})}`. `direction`: RIGHT or DOWN.
 */
export async function layout(graph, direction) {
  const key = JSON.stringify([direction, graph]);
  if (!kept.has(key)) {
    if (kept.size >= KEPT_LIMIT) kept.delete(kept.keys().next().value);
    kept.set(key, remembered(key, () => byElk(graph, direction)).catch(() => layered(graph, direction)));
  }
  return kept.get(key);
}

/** What was laid out before in this tab; the picture is there at once when the page is loaded again. */
async function remembered(key, make) {
  const digest = await crypto.subtle?.digest("SHA-256", new TextEncoder().encode(key));
  const name = digest && `lathe.layout.${[...new Uint8Array(digest, 0, 12)].map((n) => n.toString(16)).join("")}`;
  const before = name && stored(name);
  if (before) return { ...before, nodes: new Map(before.nodes), edges: new Map(before.edges) };
  const made = await make();
  if (name) store(name, { ...made, nodes: [...made.nodes], edges: [...made.edges] });
  return made;
}

function stored(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

function store(name, layout) {
  try {
    sessionStorage.setItem(name, JSON.stringify(layout));
  } catch {
    // Full or forbidden: then it is laid out anew next time.
  }
}

async function byElk({ nodes, edges }, direction) {
  started();
  const root = {
    id: "root",
    layoutOptions: { ...OPTIONS, "elk.direction": direction },
    children: nodes.map(({ id, width, height }) => ({ id, width, height })),
    edges: edges.map(({ id, source, target, width, height }) => ({
      id, sources: [source], targets: [target], labels: width ? [{ id: `${id}.label`, text: "x", width, height, layoutOptions: INLINE }] : [],
    })),
  };
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no layout in time")), PATIENCE_MS));
  const done = await Promise.race([send({ cmd: "layout", graph: root, layoutOptions: {}, options: {} }), late]);
  const placed = new Map(done.children.map(({ id, x, y }) => [id, { x, y }]));
  const routed = new Map(done.edges.map((edge) => [edge.id, route(edge)]));
  return { width: done.width, height: done.height, nodes: placed, edges: routed };
}

function route(edge) {
  const section = edge.sections?.[0];
  const points = section ? [section.startPoint, ...(section.bendPoints ?? []), section.endPoint] : [];
  const label = edge.labels?.[0];
  return { points: points.map(({ x, y }) => [x, y]), label: label ? { x: label.x, y: label.y } : null };
}

/** Layers by the distance from the first node; edges are straight. Plain, and always there. */
export function layered({ nodes, edges }, direction) {
  const rank = new Map(nodes.length ? [[nodes[0].id, 0]] : []);
  const order = nodes.length ? [nodes[0].id] : [];
  for (const id of order) {
    for (const { source, target } of edges) {
      if (source !== id || rank.has(target)) continue;
      rank.set(target, rank.get(id) + 1);
      order.push(target);
    }
  }
  for (const { id } of nodes) if (!rank.has(id)) rank.set(id, 1);
  const down = direction === "DOWN";
  const layers = [];
  for (const node of nodes) (layers[rank.get(node.id)] ??= []).push(node);
  const placed = new Map();
  let along = 12, widest = 0;
  for (const layer of layers.filter(Boolean)) {
    let across = 12;
    for (const node of layer) {
      placed.set(node.id, down ? { x: across, y: along } : { x: along, y: across });
      across += (down ? node.width : node.height) + 34;
    }
    widest = Math.max(widest, across);
    along += Math.max(...layer.map((node) => (down ? node.height : node.width))) + 120;
  }
  const sizes = new Map(nodes.map((node) => [node.id, node]));
  const middle = (id) => [placed.get(id).x + sizes.get(id).width / 2, placed.get(id).y + sizes.get(id).height / 2];
  const routed = new Map(edges.map((edge) => [edge.id, straight(edge, middle, sizes)]));
  return { width: down ? widest : along, height: down ? along : widest, nodes: placed, edges: routed };
}

function straight({ source, target, width, height }, middle, sizes) {
  const [a, b] = [middle(source), middle(target)];
  const points = [border(a, b, sizes.get(source)), border(b, a, sizes.get(target))];
  const [x, y] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  return { points, label: width ? { x: x - width / 2, y: y - height / 2 } : null };
}

/** Where the line from the middle of a box to another point leaves the box. */
function border([x, y], [tx, ty], { width, height }) {
  const [dx, dy] = [tx - x, ty - y];
  const scale = Math.min(width / 2 / Math.abs(dx || 1e-9), height / 2 / Math.abs(dy || 1e-9), 1);
  return [x + dx * scale, y + dy * scale];
}
