// A file of an app with its numbers, its words told apart, and what is wrong with it where it is wrong.
import { classes, html, useEffect, useMemo, useRef } from "../ui.js";
import { Icon } from "../parts/icon.js";
import { Prose } from "../parts/prose.js";

const ABOVE = 2;
const TOKEN = /(#[^\n]*)|("""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\])*"?|'[^']*'?)|(^\s*\[\[?[\w.\- "']+\]\]?(?=\s*(?:#|$)))|([\w.-]+)(?=\s*=)|\b(true|false|\d[\d_.a-z]*)\b/g;

/** The words of a line of TOML: `[kind, text]`. Texts over several lines are told apart line by line. */
export function words(line) {
  const found = [];
  let end = 0;
  for (const match of line.matchAll(TOKEN)) {
    if (match.index > end) found.push(["", line.slice(end, match.index)]);
    const kind = match[1] !== undefined ? "comment" : match[2] !== undefined ? "text" : match[3] !== undefined ? "table" : match[4] !== undefined ? "key" : "number";
    found.push([kind, match[0]]);
    end = match.index + match[0].length;
  }
  if (end < line.length) found.push(["", line.slice(end)]);
  return found;
}

/** A line with its words; from `start` to `end` (columns from 1, `end` exclusive) it is underlined. */
function Words({ text, start, end }) {
  let column = 1;
  const pieces = [];
  for (const [kind, word] of words(text)) {
    for (const [from, to, is] of split(column, column + word.length, start, end)) {
      pieces.push([classes(kind, is && "meant"), word.slice(from - column, to - column)]);
    }
    column += word.length;
  }
  return pieces.map(([kind, piece], i) => (kind ? html`<span key=${i} class=${kind}>${piece}</span>` : piece));
}

/** The stretches of `from` to `to`, cut where the marked one begins and ends. */
function split(from, to, start, end) {
  if (!start || end <= from || start >= to) return [[from, to, false]];
  const [a, b] = [Math.max(from, start), Math.min(to, end)];
  return [[from, a, false], [a, b, true], [b, to, false]].filter(([x, y]) => y > x);
}

/** What a finding says, under its line. */
export const Note = ({ finding, href }) => html`<div class=${`note ${finding.severity}`} role="note">
  <p><${Icon} name=${finding.severity === "error" ? "close" : finding.severity === "warning" ? "warn" : "info"} />
    <strong>${finding.code}</strong>${finding.property && html` <code><bdi>${finding.property}</bdi></code>`} <${Prose} text=${finding.message} /></p>
  ${finding.help && html`<p class="help"><${Prose} text=${finding.help} /></p>`}
  ${finding.edit && html`<${Edit} edit=${finding.edit} />`}
  ${finding.trace && href && html`<a class="button small" href=${href}>Walk through the run</a>`}
</div>`;

/** The edit that would cure it. */
export const Edit = ({ edit }) => html`<div class="edit"><span class="muted">put in place of ${edit.line}:${edit.column} to ${edit.end_line}:${edit.end_column}</span>
  <pre tabindex="0">${edit.text}</pre></div>`;

const endOf = (finding) => (finding.end_line === finding.line && finding.end_column > finding.column ? finding.end_column : finding.column + 1);

/** The lines that a finding is about, with the place marked: from the file if it is there, else its excerpt. */
export function Excerpt({ finding, files }) {
  const text = files?.[finding.file];
  const all = text?.split("\n");
  const first = all ? Math.max(1, finding.line - ABOVE) : finding.excerpt?.line;
  const shown = all ? all.slice(first - 1, finding.line + ABOVE) : finding.excerpt?.lines;
  if (!shown) return null;
  return html`<div class="source excerpt" tabindex="0" role="group" aria-label=${`${finding.file}, line ${finding.line}`} dir="ltr"><ol>
    ${shown.map((line, i) => html`<${Line} key=${i} number=${first + i} text=${line} finding=${first + i === finding.line ? finding : null} />`)}
  </ol></div>`;
}

const Line = ({ number, text, finding, is, children }) => html`<li class=${classes(finding && `has ${finding.severity}`, is && "is")} data-line=${number}>
  <span class="number" aria-hidden="true">${number}</span>
  <code>${finding ? html`<${Words} text=${text} start=${finding.column} end=${finding.line === number ? endOf(finding) : text.length + 1} />` : html`<${Words} text=${text} />`}</code>
  ${children}
</li>`;

/** A whole file; `line` is the one that was asked for. `hrefOf(finding)` leads to its trace. */
export function Source({ text, findings = [], line, hrefOf }) {
  const lines = useMemo(() => text.replace(/\n$/, "").split("\n"), [text]);
  const at = new Map();
  for (const finding of findings) at.set(finding.line, [...(at.get(finding.line) ?? []), finding]);
  const list = useRef(null);
  useEffect(() => {
    if (line) list.current?.querySelector(`[data-line="${line}"]`)?.scrollIntoView({ block: "center" });
  }, [line, text]);
  return html`<div class="source" tabindex="0" role="group" aria-label="Source" dir="ltr"><ol ref=${list}>
    ${lines.map((one, i) => html`<${Line} key=${i} number=${i + 1} text=${one} is=${line === i + 1} finding=${at.get(i + 1)?.[0]}>
      ${at.get(i + 1)?.map((finding) => html`<${Note} key=${finding.code + finding.column} finding=${finding} href=${hrefOf?.(finding)} />`)}
    <//>`)}
  </ol></div>`;
}
