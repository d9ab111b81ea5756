// Keep a run as a gauge: a file that every check of the app runs first from then on.
import { Dialog } from "../parts/dialog.js";
import { Copy } from "../parts/call.js";
import { Icon } from "../parts/icon.js";
import { html, useMemo, useState } from "../ui.js";

const PROPERTY = /^LT(401|402)$/;

export function Gauge({ trace, finding, app }) {
  const [open, setOpen] = useState(false);
  const breaks = PROPERTY.test(finding.code) && finding.property;
  const [expect, setExpect] = useState("admitted");
  const name = `${(finding.property ?? finding.code).replaceAll(/\W+/g, "_")}.json`;
  const text = useMemo(() => `${JSON.stringify({ expect, trace }, null, 1)}\n`, [expect, trace]);
  const href = useMemo(() => (open ? URL.createObjectURL(new Blob([text], { type: "application/json" })) : ""), [text, open]);
  const command = `lathe gauge add ${name} ${app || "FOLDER"}`;
  return html`<span>
    <button class="small" onClick=${() => setOpen(true)}><${Icon} name="down" />Save as gauge</button>
    <${Dialog} title="Save as gauge" open=${open} onClose=${() => setOpen(false)}>
      <p>A gauge is a run with the verdict that it must keep. Every check of the app runs it first.</p>
      ${breaks && html`<fieldset class="radios"><legend>From now on this run must be</legend>
        <label><input type="radio" name="expect" checked=${expect === "admitted"} onChange=${() => setExpect("admitted")} /> harmless: the fault was mended (<code>admitted</code>)</label>
        <label><input type="radio" name="expect" checked=${expect !== "admitted"} onChange=${() => setExpect(`refused: ${breaks}`)} /> caught: <code>refused: ${breaks}</code></label>
      </fieldset>`}
      <p class="acts"><a class="button primary" href=${href} download=${name}>Save ${name}</a></p>
      <p class="muted">Put it into <code>gauges/</code> beside <code>app.toml</code>, or let the command do it:</p>
      <div class="command"><pre tabindex="0">${command}</pre><${Copy} text=${command} /></div>
    <//>
  </span>`;
}
