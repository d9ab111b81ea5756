// Forms that are typed by the blueprint: each argument by its JSON Schema, and what will be sent, as it is typed.
import { get, at } from "../api.js";
import { classes, html, useEffect, useState } from "../ui.js";
import { apps } from "../places.js";

/** What an argument's field holds before anybody typed. */
const startOf = ({ schema, default: given }) => (schema.type === "boolean" ? (given ?? null) : given === undefined ? "" : shown(given, schema));
const shown = (value, schema) => (schema.type === "array" ? value.join("\n") : isText(schema) ? String(value) : JSON.stringify(value));
const isText = (schema) => schema.type === "string" || schema.enum !== undefined || schema.type === "integer";

export const startValues = (args = {}) => Object.fromEntries(Object.entries(args).map(([name, one]) => [name, startOf(one)]));

/** The body of what was typed: what is empty is left out. Gives `[body, {name: what is wrong}]`. */
export function bodyOf(args = {}, typed) {
  const body = {};
  const wrong = {};
  for (const [name, argument] of Object.entries(args)) {
    const text = typed[name];
    if (text === "" || text === null || text === undefined) {
      if (argument.required && argument.schema.type !== "string") wrong[name] = "it is needed";
      else if (argument.required) body[name] = "";
      continue;
    }
    const [value, fault] = read(argument.schema, text);
    if (fault) wrong[name] = fault;
    else body[name] = value;
  }
  return [body, wrong];
}

function read(schema, text) {
  if (schema.type === "boolean") return [text === true || text === "true"];
  if (schema.type === "integer") {
    const number = Number(text);
    if (!Number.isInteger(number) || String(text).trim() === "") return [null, "a whole number"];
    if (number < schema.minimum || number > schema.maximum) return [null, `from ${schema.minimum} to ${schema.maximum}`];
    return [number];
  }
  if (schema.type === "array") {
    const parts = String(text).split(/\n/).map((part) => part.trim()).filter(Boolean);
    const found = parts.map((part) => read(schema.items, part));
    const fault = found.find(([, wrong]) => wrong);
    if (schema.maxItems !== undefined && parts.length > schema.maxItems) return [null, `at most ${schema.maxItems} lines`];
    return fault ? [null, `each line: ${fault[1]}`] : [found.map(([value]) => value)];
  }
  if (schema.format === "date-time") {
    const date = new Date(text);
    return Number.isNaN(date.getTime()) ? [null, "a date and time"] : [date.toISOString()];
  }
  if (schema.enum || schema.type === "string") {
    if (schema.maxLength !== undefined && [...text].length > schema.maxLength) return [null, `at most ${schema.maxLength} characters`];
    return [text];
  }
  try {
    return [JSON.parse(text)];
  } catch {
    return [null, "JSON"];
  }
}

/** The fields of a form. `values` is what was typed, `onChange(name, value)` takes what is typed now. */
export function Fields({ app, args = {}, values, wrong = {}, onChange, prefix }) {
  return html`<div class="form-fields">
    ${Object.entries(args).map(([name, argument]) => {
      const id = `${prefix}-${name}`;
      const fault = wrong[name];
      return html`<div key=${name} class=${classes("field", fault && "wrong")}>
        <label for=${id}><bdi>${name}</bdi>${!argument.required && html` <span class="muted">may be left out</span>`}</label>
        <${Field} app=${app} id=${id} name=${name} argument=${argument} value=${values[name]} described=${`${id}-hint`}
          invalid=${Boolean(fault)} onChange=${(value) => onChange(name, value)} />
        <p class="hint" id=${`${id}-hint`}>${fault ? html`<strong>${fault}</strong> · ` : ""}${argument.type}${argument.schema.maxLength ? `, at most ${argument.schema.maxLength} characters` : ""}</p>
      </div>`;
    })}
  </div>`;
}

function Field({ app, id, name, argument, value, described, invalid, onChange }) {
  const { schema } = argument;
  const common = {
    id,
    name,
    "aria-describedby": described,
    "aria-invalid": invalid || undefined,
    required: argument.required,
    onInput: (event) => onChange(event.target.value),
    autocomplete: "off",
    spellcheck: false,
  };
  if (schema.enum) {
    return html`<select ...${common} value=${value}>
      <option value="">${argument.required ? "choose" : "–"}</option>
      ${schema.enum.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
    </select>`;
  }
  if (schema.type === "boolean") {
    return html`<select ...${common} value=${value === null ? "" : String(value)}>
      <option value="">${argument.required ? "choose" : "–"}</option><option value="true">true</option><option value="false">false</option>
    </select>`;
  }
  if (schema.type === "integer") {
    return html`<input ...${common} type="number" inputmode="numeric" min=${schema.minimum} max=${schema.maximum} step="1" value=${value} />`;
  }
  if (schema.format === "date-time") return html`<input ...${common} type="datetime-local" step="1" value=${value} />`;
  if (schema.type === "array" || schema.type === undefined) return html`<textarea ...${common} rows="3" value=${value} />`;
  if (argument.secret) return html`<input ...${common} type="password" value=${value} />`;
  if (argument.blueprint) return html`<${Reference} app=${app} blueprint=${argument.blueprint} common=${common} value=${value} />`;
  return schema.maxLength > 400 ? html`<textarea ...${common} rows="3" value=${value} />` : html`<input ...${common} type="text" value=${value} />`;
}

/** An id of another entity, with the newest ones offered. */
function Reference({ app, blueprint, common, value }) {
  const [found, setFound] = useState([]);
  const plural = apps.value.find((one) => one.app === app)?.blueprints.find((one) => one.blueprint === blueprint)?.plural;
  useEffect(() => {
    if (plural) get(`${at(app, plural)}?limit=50&sort=-changed`).then(({ items }) => setFound(items), () => setFound([]));
  }, [plural]);
  return html`<input ...${common} type="text" list=${`${common.id}-ids`} value=${value} />
    <datalist id=${`${common.id}-ids`}>${found.map((one) => html`<option key=${one.id} value=${one.id}>${one.state}</option>`)}</datalist>`;
}

/** What was typed as words of the command line: `name=value`. */
export const wordsOf = (body) => Object.entries(body).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
