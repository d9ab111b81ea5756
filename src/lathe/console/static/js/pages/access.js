// Agents and tokens: who may call, with what, from whom it comes, until when; made, rotated and ended here.
import { ask, useGet } from "../api.js";
import { useFresh } from "../events.js";
import { relative } from "../format.js";
import { now } from "../now.js";
import { apps } from "../places.js";
import { Card, Empty, Head, Trouble, When, Who } from "../parts/bits.js";
import { Call, Copy, quoted, said } from "../parts/call.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { Waiting } from "../parts/shell.js";
import { ask as asking, query } from "../router.js";
import { classes, html, useState } from "../ui.js";

const KINDS = ["person", "agent", "service"];
const PATH = "/v1/tokens?limit=200";

export default function Access() {
  const fresh = useFresh((event) => event.kind === "govern", 300);
  const me = useGet("/v1/me", fresh);
  const { data, problem, reload } = useGet(PATH, fresh);
  const [making, setMaking] = useState(false);
  const [ended, setEnded] = useState(false);
  const [text, setText] = useState(null);
  const kind = query.value.get("kind");
  const isOver = (token) => token.revoked !== null || Date.parse(token.expires) <= now.value;
  const items = (data?.items ?? []).filter((one) => (!kind || one.kind === kind) && (ended || !isOver(one)));
  const done = (made) => {
    setMaking(false);
    setText(made ?? null);
    reload();
  };
  return html`<div class="access">
    <${Head} title="Agents and tokens" about="Who may call, with what, from whom it comes, and until when.">
      <button class="primary" onClick=${() => setMaking(true)}>New token</button>
    <//>
    ${me.data && html`<${Me} me=${me.data} />`}
    ${text && html`<${Once} made=${text} onClose=${() => setText(null)} />`}
    <div class="filter"><div class="chips" role="group" aria-label="Kinds">
      ${KINDS.map((one) => html`<button key=${one} class="chip plain" aria-pressed=${kind === one} onClick=${() => asking({ kind: kind === one ? "" : one })}>
        <${Icon} name=${one === "service" ? "effect" : one} />${one}</button>`)}
      <label class="check"><input type="checkbox" checked=${ended} onChange=${(event) => setEnded(event.target.checked)} /> with those that are over</label>
    </div></div>
    <${Trouble} problem=${problem} onRetry=${reload} />
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`<${Card} flush>${items.length ? html`<${Tokens} items=${tree(items)} isOver=${isOver} onDone=${done} />` : html`<${Empty} title="There are none." />`}<//>`}
    <${Call} path=${PATH} command="lathe token list" />
    <${Dialog} title="New token" open=${making} onClose=${() => setMaking(false)}><${New} me=${me.data} onDone=${done} onCancel=${() => setMaking(false)} /><//>
  </div>`;
}

/** Each token below the one that it is a part of, with its depth. */
function tree(items) {
  const known = new Set(items.map(({ id }) => id));
  const below = Map.groupBy(items, ({ parent }) => (known.has(parent) ? parent : null));
  const found = [];
  const waiting = (below.get(null) ?? []).map((one) => [one, 0]).reverse();
  while (waiting.length) {
    const [token, depth] = waiting.pop();
    found.push({ ...token, depth });
    for (const part of (below.get(token.id) ?? []).toReversed()) waiting.push([part, depth + 1]);
  }
  return found;
}

const Me = ({ me }) => html`<section class="card me" aria-label="Who you are">
  <${Icon} name=${me.kind === "agent" ? "agent" : me.kind === "service" ? "effect" : "person"} />
  <span>You are <strong><bdi>${me.principal}</bdi></strong>, a ${me.kind} of <bdi>${me.tenant}</bdi>${me.chain.length > 1 ? `, for ${me.chain.slice(1).join(", ")}` : ""}.</span>
  <span class="muted">${me.roles === null ? "every role" : me.roles.length ? `roles: ${me.roles.join(", ")}` : "no role"}${me.scopes.length ? `; scopes: ${me.scopes.join(", ")}` : ""}${me.expires ? html`; until <${When} at=${me.expires} />` : ""}</span>
</section>`;

const Once = ({ made, onClose }) => html`<section class="notice once" role="status">
  <p><${Icon} name="lock" /><strong>The token of <bdi>${made.principal}</bdi>.</strong> It is shown this once: only its hash is kept.</p>
  <pre tabindex="0">${made.token}</pre>
  <div class="buttons"><${Copy} text=${made.token} label="Copy token" /><button class="small" onClick=${onClose}>I have it</button></div>
</section>`;

function Tokens({ items, isOver, onDone }) {
  return html`<div class="scroll"><table class="tokens stack">
    <thead><tr><th scope="col">Who</th><th scope="col">May</th><th scope="col">Made</th><th scope="col">Until</th><th scope="col"><span class="sr">What to do</span></th></tr></thead>
    <tbody>${items.map((one) => html`<${Token} key=${one.id} token=${one} over=${isOver(one)} onDone=${onDone} />`)}</tbody>
  </table></div>`;
}

function Token({ token, over, onDone }) {
  const [asked, setAsked] = useState(null);
  const limits = [token.apps && `apps: ${token.apps.join(", ")}`, token.actions && `actions: ${token.actions.join(", ")}`].filter(Boolean);
  return html`<tr class=${classes(over && "over")} data-row>
    <td><span class=${`depth d${Math.min(token.depth, 7)}`}><${Icon} name=${token.kind === "service" ? "effect" : token.kind} />
      <span><strong><bdi>${token.principal}</bdi></strong><br /><code class="muted">${token.id.slice(-10)}</code></span></span></td>
    <td>${[...token.roles, ...token.scopes.map((scope) => `scope ${scope}`)].map((one) => html`<span key=${one} class="tag"><bdi>${one}</bdi></span> `)}
      ${limits.length > 0 && html`<span class="muted"><bdi>${limits.join("; ")}</bdi></span>`}
      ${token.note && html`<p class="muted"><bdi>${token.note}</bdi></p>`}</td>
    <td><${When} at=${token.made} /> <${Who} by=${token.by} /></td>
    <td>${token.revoked ? html`<span class="late">revoked <${When} at=${token.revoked} /></span>` : over ? html`<span class="late">expired</span>` : relative(token.expires, now.value)}</td>
    <td>${!over && html`<span class="buttons">
      <button class="small" onClick=${() => setAsked("rotate")}>Rotate</button>
      <button class="small danger" onClick=${() => setAsked("revoke")}>Revoke</button>
    </span>`}
    <${Dialog} title=${`${asked === "rotate" ? "Rotate" : "Revoke"} the token of ${token.principal}`} open=${asked !== null} onClose=${() => setAsked(null)}>
      <${Confirm} token=${token} what=${asked} onDone=${(made) => (setAsked(null), onDone(made))} onCancel=${() => setAsked(null)} />
    <//></td>
  </tr>`;
}

function Confirm({ token, what, onDone, onCancel }) {
  const [overlap, setOverlap] = useState("3600");
  const [problem, setProblem] = useState(null);
  const id = encodeURIComponent(token.id);
  const call = what === "rotate" ? { method: "POST", path: `/v1/tokens/${id}:rotate`, body: { overlap: Number(overlap) } } : { method: "DELETE", path: `/v1/tokens/${id}` };
  const command = what === "rotate" ? `lathe token rotate ${token.id} --overlap ${overlap}s` : `lathe token revoke ${token.id}`;
  const send = async (event) => {
    event.preventDefault();
    try {
      const { data } = await ask(call.method, call.path, { body: call.body });
      said.value = what === "rotate" ? "Rotated" : "Revoked";
      onDone(data.token ? data : undefined);
    } catch (error) {
      setProblem(error);
    }
  };
  return html`<form class="act" onSubmit=${send}>
    ${what === "rotate"
      ? html`<div class="field"><label for="overlap">The secret before counts on for</label>
          <select id="overlap" value=${overlap} onChange=${(event) => setOverlap(event.target.value)}>
            <option value="0">no longer</option><option value="3600">an hour</option><option value="86400">a day</option></select></div>`
      : html`<p>It ends at once, on every process, and with it every token that is a part of it. It cannot be taken back.</p>`}
    <${Trouble} problem=${problem} />
    <div class="buttons"><button type="submit" class=${what === "revoke" ? "danger" : "primary"}>${what === "rotate" ? "Rotate" : "Revoke"}</button>
      <button type="button" class="quiet" onClick=${onCancel}>Cancel</button></div>
    <${Call} ...${call} command=${command} />
  </form>`;
}

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

function New({ me, onDone, onCancel }) {
  const isOperator = me?.scopes.includes("operator");
  const [typed, setTyped] = useState({ principal: "", kind: "agent", roles: "", scopes: "", apps: "", actions: "", days: "30", note: "", part: !isOperator });
  const [problem, setProblem] = useState(null);
  const set = (name) => (event) => setTyped({ ...typed, [name]: event.target.type === "checkbox" ? event.target.checked : event.target.value });
  const body = { principal: typed.principal, kind: typed.kind, expires_in: Math.round(Number(typed.days) * 86_400) };
  for (const name of ["roles", "scopes", "apps", "actions"]) if (words(typed[name]).length) body[name] = words(typed[name]);
  if (typed.part) body.parent = "self";
  if (typed.note) body.note = typed.note;
  const options = ["roles", "scopes", "apps", "actions"].flatMap((name) => words(typed[name]).map((one) => `--${name.slice(0, -1)} ${quoted(one)}`));
  const command = ["lathe token create", quoted(typed.principal || "NAME"), "--kind", typed.kind, ...options, typed.part ? "--part" : "", `--expires ${typed.days}d`].filter(Boolean).join(" ");
  const send = async (event) => {
    event.preventDefault();
    try {
      onDone((await ask("POST", "/v1/tokens", { body })).data);
    } catch (error) {
      setProblem(error);
    }
  };
  const text = (name, label, hint, more = {}) => html`<div class="field"><label for=${`token-${name}`}>${label}</label>
    <input id=${`token-${name}`} value=${typed[name]} onInput=${set(name)} autocomplete="off" spellcheck=${false} aria-describedby=${`token-${name}-hint`} ...${more} />
    <p class="hint" id=${`token-${name}-hint`}>${hint}</p></div>`;
  return html`<form class="act" onSubmit=${send}>
    <div class="form-fields">
      ${text("principal", "Who", "the name that journals and the audit tell", { required: true, maxlength: 100 })}
      <div class="field"><label for="token-kind">Kind</label><select id="token-kind" value=${typed.kind} onChange=${set("kind")}>${KINDS.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></div>
      ${text("roles", "Roles", "of the apps, with spaces; of a part, left out: all that the whole has")}
      ${text("apps", "Apps", `left out: every one${apps.value.length ? ` (${apps.value.map(({ app }) => app).join(", ")})` : ""}`)}
      ${text("actions", "Actions", "as `ship` or `Order.ship`; left out: whatever the roles allow")}
      ${isOperator && text("scopes", "Scopes", "apply, decide, metrics, operator")}
      ${text("days", "Days", "until it expires, at most 400", { type: "number", min: "0.01", max: "400", step: "any" })}
      ${text("note", "Note", "what it is for")}
      ${isOperator && html`<label class="check"><input type="checkbox" checked=${typed.part} onChange=${set("part")} /> a part of your own token: it acts for you, and ends with it</label>`}
    </div>
    <${Trouble} problem=${problem} />
    <div class="buttons"><button type="submit" class="primary">Make it</button><button type="button" class="quiet" onClick=${onCancel}>Cancel</button></div>
    <${Call} method="POST" path="/v1/tokens" body=${body} command=${command} />
  </form>`;
}
