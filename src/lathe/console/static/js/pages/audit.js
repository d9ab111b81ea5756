// The audit: what was governed, newest first, each line chained to the one before.
import { get } from "../api.js";
import { clock, number, short, value } from "../format.js";
import { now } from "../now.js";
import { Card, Empty, Head, Trouble, Who } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { Waiting } from "../parts/shell.js";
import { html, useEffect, useState } from "../ui.js";

const PAGE = 200;
const page = (after, limit) => get(`/v1/audit?after=${after}&limit=${limit}`);

/** Where the last page begins: lines are numbered upwards, and the API tells them from a number on. */
async function end() {
  let step = PAGE;
  while ((await page(step, 1)).items.length) step *= 2;
  let [low, high] = [step === PAGE ? 0 : step / 2, step];
  while (high - low > PAGE) {
    const middle = Math.floor((low + high) / 2);
    if ((await page(middle, 1)).items.length) low = middle;
    else high = middle;
  }
  return Math.max(0, high - PAGE);
}

export default function Audit() {
  const [state, setState] = useState({ lines: null, first: 0, problem: null });
  const load = async () => {
    try {
      const first = await end();
      const { items } = await page(first, PAGE);
      setState({ lines: items, first, problem: null });
    } catch (problem) {
      setState((before) => ({ ...before, problem }));
    }
  };
  useEffect(() => void load(), []);
  const earlier = async () => {
    const after = Math.max(0, state.first - PAGE);
    const { items } = await page(after, state.first - after);
    setState({ ...state, lines: [...items, ...state.lines], first: after });
  };
  const { lines, problem, first } = state;
  return html`<div class="audit">
    <${Head} title="Audit" about="What was governed: tokens, versions, decisions. Lines are never changed; each holds the hash of the one before.">
      ${lines && html`<${Chain} lines=${lines} />`}
      <button class="small" onClick=${load}>Newest</button>
    <//>
    <${Trouble} problem=${problem} onRetry=${load} />
    ${!lines && !problem && html`<${Waiting} />`}
    ${lines && html`<${Card} flush>${lines.length ? html`<${Lines} lines=${lines.toReversed()} />` : html`<${Empty} title="Nothing was governed yet." />`}
      ${first > 0 && html`<p class="more"><button class="small" onClick=${earlier}>Earlier lines</button></p>`}<//>`}
    <${Call} path=${`/v1/audit?after=${first}&limit=${PAGE}`} />
  </div>`;
}

/** Whether each line that is shown holds the hash of the one before. */
function Chain({ lines }) {
  const links = lines.slice(1).filter((line, i) => line.number === lines[i].number + 1);
  const broken = lines.slice(1).find((line, i) => line.number === lines[i].number + 1 && line.previous !== lines[i].hash);
  if (broken) return html`<span class="late" role="alert"><${Icon} name="warn" /> the chain is broken at line ${number(broken.number)}</span>`;
  return links.length > 0 && html`<span class="muted chained"><${Icon} name="done" /> ${number(links.length + 1)} lines chained</span>`;
}

const Lines = ({ lines }) => html`<div class="scroll"><table class="stack">
  <thead><tr><th scope="col" class="number">Line</th><th scope="col">When</th><th scope="col">What</th><th scope="col">By</th><th scope="col">About</th></tr></thead>
  <tbody>${lines.map((line) => html`<tr key=${line.number} data-row>
    <td class="number" title=${line.hash}>${line.number}</td>
    <td><time datetime=${line.at}>${clock(line.at, now.value)}</time></td>
    <td><strong><bdi>${line.kind}</bdi></strong><br /><code class="muted" title=${line.subject}><bdi>${short(line.subject)}</bdi></code></td>
    <td>${line.chain.map((one, i) => html`<span key=${i}>${i > 0 && html`<span class="muted"> for </span>`}<${Who} by=${one} /></span>`)}</td>
    <td><${About} about=${line.about} /></td>
  </tr>`)}</tbody>
</table></div>`;

/** What the other columns say already. */
const TOLD = new Set(["id", "by", "made", "tenant"]);
const TIME = /^\d{4}-\d\d-\d\dT/;
const shown = (held) => (Array.isArray(held) ? held.join(", ") : TIME.test(held) ? clock(held, now.value) : value(held));

function About({ about }) {
  const pairs = about && typeof about === "object" && !Array.isArray(about) ? Object.entries(about) : [["", about]];
  const told = pairs.filter(([name, held]) => !TOLD.has(name) && held !== null && held !== "" && !(Array.isArray(held) && !held.length));
  return html`<dl class="about-line">${told.map(([name, held]) => html`<div key=${name}><dt class="muted"><bdi>${name}</bdi></dt><dd><bdi>${shown(held)}</bdi></dd></div>`)}</dl>`;
}
