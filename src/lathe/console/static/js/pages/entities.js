// The entities of one blueprint: filtered by state and by an expression, as many as there are.
import { Problem } from "../api.js";
import { number, plural as counted, value } from "../format.js";
import { address, useList } from "../list.js";
import { kindIn, useModel } from "../model.js";
import { Act } from "../parts/act.js";
import { Empty, EntityLink, Head, State, Trouble, When } from "../parts/bits.js";
import { Call } from "../parts/call.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { Rows } from "../parts/rows.js";
import { useKeys } from "../keys.js";
import { refers } from "../places.js";
import { ask, go, query, to } from "../router.js";
import { classes, html, useEffect, useState } from "../ui.js";

const VALUE_CHARACTERS = 80;

export default function Entities({ app, plural }) {
  const { model, problem: unknown } = useModel(app, plural);
  const asked = Object.fromEntries(["state", "where", "sort"].map((name) => [name, query.value.get(name) ?? ""]));
  asked.sort ||= "-changed";
  const list = useList(app, plural, model?.blueprint, asked);
  const [creating, setCreating] = useState(false);
  useKeys({ n: { does: () => model?.create && setCreating(true), said: "make a new one" } }, [model?.create]);
  const states = asked.state ? asked.state.split(",") : [];
  const path = address(app, plural, asked);
  const made = (entity) => {
    setCreating(false);
    go(to("apps", app, "entities", plural, entity.id));
  };
  return html`<div class="entities">
    <${Head} title=${plural} about=${model?.doc} crumbs=${[[app, to("apps", app)]]}>
      ${model?.create && html`<button class="primary" onClick=${() => setCreating(true)}>New ${model.blueprint}<kbd>n</kbd></button>`}
    <//>
    ${unknown instanceof Problem && html`<${Trouble} problem=${unknown} />`}
    <${Filter} model=${model} states=${states} where=${asked.where} problem=${list.problem} />
    <${Found} list=${list} model=${model} filtered=${Boolean(asked.where)} states=${states} />
    <${Table} app=${app} plural=${plural} model=${model} list=${list} sort=${asked.sort} states=${states} />
    <${Call} path=${path} command=${listing(app, plural, asked)} />
    <${Dialog} title=${`New ${model?.blueprint ?? ""}`} open=${creating} onClose=${() => setCreating(false)}>
      ${model?.create?.doc && html`<p class="muted">${model.create.doc}</p>`}
      ${model?.create && html`<${Act} app=${app} plural=${plural} action=${model.create} onDone=${made} onCancel=${() => setCreating(false)} />`}
    <//>
  </div>`;
}

function listing(app, plural, { state, where, sort }) {
  const options = [["--state", state], ["--where", where], ["--sort", sort]].filter(([, given]) => given);
  return [`lathe list ${app}/${plural}`, ...options.map(([name, given]) => `${name} '${given.replaceAll("'", `'\\''`)}'`)].join(" ");
}

function Filter({ model, states, where, problem }) {
  const [text, setText] = useState(where);
  useEffect(() => setText(where), [where]);
  const toggle = (state) => {
    const chosen = states.includes(state) ? states.filter((one) => one !== state) : [...states, state];
    ask({ state: chosen.join(",") }, { replace: false });
  };
  const submit = (event) => {
    event.preventDefault();
    ask({ where: text.trim() }, { replace: false });
  };
  const wrong = problem instanceof Problem && problem.code === "LR422.where" ? problem : null;
  const names = Object.entries(model?.fields ?? {});
  return html`<div class="filter">
    <div class="chips" role="group" aria-label="States">
      ${model?.states.map((one) => html`<button key=${one.state} type="button" class="chip" aria-pressed=${states.includes(one.state)} onClick=${() => toggle(one.state)}>
        <${State} name=${one.state} kind=${one.kind} /><span class="n">${number(one.count)}</span>
      </button>`)}
    </div>
    <form class="where" onSubmit=${submit} role="search">
      <label class="sr" for="where">Filter</label>
      <div class="input"><${Icon} name="search" />
        <input id="where" data-search type="search" value=${text} onInput=${(event) => setText(event.target.value)} autocomplete="off" spellcheck=${false}
          placeholder=${example(names)} aria-describedby="where-help" aria-invalid=${Boolean(wrong)} maxlength="2000"
          onKeyDown=${(event) => event.key === "Escape" && event.target.blur()} />
        <kbd>/</kbd>
      </div>
      <button type="submit">Filter</button>
    </form>
    <div id="where-help" class="hint">
      ${wrong && html`<p class="late" role="alert"><${Icon} name="warn" /> <bdi>${wrong.message}</bdi>${wrong.document.column ? `, at character ${wrong.document.column}` : ""}${wrong.document.help ? html`; <bdi>${wrong.document.help}</bdi>` : ""}</p>`}
      ${names.length > 0 && html`<details class="names"><summary>fields of the filter</summary>
        <dl>${names.map(([name, field]) => html`<div key=${name}><dt><code>${name}</code></dt><dd>${field.type}${field.doc && html`, <bdi>${field.doc}</bdi>`}</dd></div>`)}
          <div><dt><code>state</code></dt><dd>the state, by name</dd></div><div><dt><code>id</code></dt><dd>the entity's id</dd></div></dl>
      </details>`}
    </div>
  </div>`;
}

/** A filter that could be written here. */
function example(names) {
  const number = names.find(([, field]) => field.schema.type === "integer");
  if (number) return `${number[0]} > ${number[1].schema.minimum}`;
  return names.length ? `${names[0][0]} is not None` : "state == 'done'";
}

function Found({ list, model, filtered, states }) {
  const known = !filtered && model?.counted === "all";
  const all = known ? model.states.filter(({ state }) => !states.length || states.includes(state)).reduce((n, { count }) => n + count, 0) : null;
  const shown = list.rows.length;
  const text = all !== null ? `${counted(all, "entity", "entities")}` : list.hasMore ? `${number(shown)} loaded, there are more` : counted(shown, "entity", "entities");
  return html`<p class="found" role="status">
    <span class="muted">${list.loading && !shown ? "asking…" : text}</span>
    ${list.born > 0 && html`<button class="small" onClick=${list.reload}>${counted(list.born, "new one", "new ones")}: show</button>`}
  </p>`;
}

function Table({ app, plural, model, list, sort, states }) {
  if (list.problem && !list.rows.length) {
    return list.problem.code === "LR422.where" ? null : html`<${Trouble} problem=${list.problem} onRetry=${list.reload} />`;
  }
  if (!list.rows.length && !list.loading) return html`<section class="card"><${Empty} title="There are none.">${states.length || query.value.get("where") ? "No entity fits the filter." : "None was created yet."}<//></section>`;
  const names = Object.keys(model?.fields ?? list.rows[0]?.fields ?? {});
  const sorted = (key) => (sort === key ? "ascending" : sort === `-${key}` ? "descending" : undefined);
  const head = (key, label) => html`<button class="sort" onClick=${() => ask({ sort: sort === `-${key}` ? key : `-${key}` })}>
    ${label}${sorted(key) && html`<span class=${classes("turn", sorted(key))}><${Icon} name="down" /></span>`}
  </button>`;
  const numeric = (name) => model?.fields?.[name]?.schema.type === "integer";
  const columns = [
    { name: "id", head: head("id", "id"), sorted: sorted("id"), of: (row) => html`<${EntityLink} app=${app} plural=${plural} id=${row.id} />` },
    { name: "state", head: head("state", "state"), sorted: sorted("state"), of: (row) => html`<${State} name=${row.state} kind=${kindIn(model, row.state)} />` },
    ...names.map((name) => ({ name: `field-${name}`, label: html`<bdi>${name}</bdi>`, number: numeric(name), of: (row) => cell(app, model, name, row.fields[name]) })),
    { name: "changed", head: head("changed", "changed"), sorted: sorted("changed"), of: (row) => html`<${When} at=${row.at} />` },
  ];
  const left = (row) => row.moved && states.length > 0 && !states.includes(row.state);
  return html`<${Rows} label=${plural} columns=${columns} rows=${list.rows} keyOf=${(row) => row.id} classOf=${(row) => classes(left(row) && "gone", row.moved && "moved")}
    hasMore=${list.hasMore} more=${list.more} foot=${list.problem && html`<${Trouble} problem=${list.problem} onRetry=${list.more} />`} />`;
}

/** What a field holds; a ref leads to whom it names. */
function cell(app, model, name, held) {
  const other = held ? refers(app, model, name) : null;
  return other ? html`<${EntityLink} app=${app} plural=${other} id=${held} />` : html`<${Value} held=${held} />`;
}

function Value({ held }) {
  const text = value(held);
  const isLong = text.length > VALUE_CHARACTERS;
  return html`<bdi title=${isLong ? text.slice(0, 2_000) : undefined}>${isLong ? `${text.slice(0, VALUE_CHARACTERS)}…` : text}</bdi>`;
}
