// Taking an action: its form, the call that will be made, and what came of it.
import { Problem, ask, at, newKey } from "../api.js";
import { to } from "../router.js";
import { html, useMemo, useRef, useState } from "../ui.js";
import { Call, quoted, said } from "./call.js";
import { Fields, bodyOf, startValues, wordsOf } from "./form.js";
import { Trouble } from "./bits.js";

/**
 * The form of an action on an entity, or of `create` on a list. `version` and `visit` are what the caller looks at: if
 * the entity has moved on meanwhile, it is refused instead of done to something else.
 */
export function Act({ app, plural, id, action, visit, onDone, onCancel, danger }) {
  const [typed, setTyped] = useState(() => startValues(action.args));
  const [tried, setTried] = useState(false);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey());
  const [body, wrong] = useMemo(() => bodyOf(action.args, typed), [action.args, typed]);
  const path = id ? at(app, plural, id, action.action) : at(app, plural);
  const headers = id && visit !== undefined ? { "If-Visit": String(visit) } : {};
  const place = id ? `${app}/${plural}/${id} ${action.action}` : `${app}/${plural}`;
  const words = wordsOf(body).map(quoted).join(" ");
  const command = `lathe ${id ? "act" : "create"} ${place}${words && ` ${words}`}${headers["If-Visit"] ? ` --visit ${visit}` : ""}`;
  const send = async (event) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(wrong).length || busy) return;
    setBusy(true);
    setProblem(null);
    try {
      const { data } = await ask("POST", path, { body, headers: { ...headers, "idempotency-key": key.current } });
      said.value = `${action.action} was taken`;
      onDone?.(data);
    } catch (error) {
      setProblem(error);
      // What was answered is settled; only a request whose fate is unknown is asked again under its key.
      if (error instanceof Problem && error.status < 500) key.current = newKey();
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="act" onSubmit=${send} novalidate>
    <${Fields} app=${app} args=${action.args} values=${typed} wrong=${tried ? wrong : {}} prefix=${`${action.action}-field`}
      onChange=${(name, value) => setTyped((before) => ({ ...before, [name]: value }))} />
    <${Trouble} problem=${problem} />
    ${problem instanceof Problem && problem.document.ask && html`<${Asking} asked=${problem.document.ask} />`}
    <div class="buttons">
      <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy}><bdi>${action.action}</bdi></button>
      ${onCancel && html`<button type="button" class="quiet" onClick=${onCancel}>Cancel</button>`}
    </div>
    <${Call} method="POST" path=${path} body=${body} headers=${headers} command=${command} />
  </form>`;
}

/** What was denied is asked for: somebody who may decides. */
function Asking({ asked }) {
  const [reason, setReason] = useState("");
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState(null);
  const body = { ...asked, reason };
  const place = [asked.app, asked.plural, asked.entity].filter(Boolean).join("/");
  const asking = `lathe decisions ask ${[place, asked.action, ...wordsOf(asked.args ?? {})].map(quoted).join(" ")} --reason ${quoted(reason || "WHY")}`;
  const send = async () => {
    try {
      setMade((await ask("POST", "/v1/decisions", { body })).data);
      said.value = "Asked for";
    } catch (error) {
      setProblem(error);
    }
  };
  if (made) return html`<p class="asked" role="status">It is asked for, and open until somebody decides: <a href=${to("decisions")}>see the decisions</a>.</p>`;
  return html`<div class="asking"><div class="field"><label for="asking-reason">Why it should be allowed</label>
      <input id="asking-reason" value=${reason} maxlength="500" onInput=${(event) => setReason(event.target.value)} autocomplete="off" /></div>
    <${Trouble} problem=${problem} />
    <div class="buttons"><button type="button" onClick=${send} disabled=${!reason.trim()}>Ask for it</button></div>
    <${Call} method="POST" path="/v1/decisions" body=${body} command=${asking} />
  </div>`;
}
