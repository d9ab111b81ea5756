// Where a report, a trace or a gauge from a file is dropped, chosen or pasted; it stays in this tab.
import { Icon } from "../parts/icon.js";
import { go, to } from "../router.js";
import { classes, html, useState } from "../ui.js";
import { opened, read } from "./subjects.js";

const BYTES_LIMIT = 64 * 1024 * 1024;

export function Drop() {
  const [over, setOver] = useState(false);
  const [wrong, setWrong] = useState("");
  const show = (text, name) => {
    try {
      opened.value = read(text, name);
      go(opened.value.only ? to("open", "traces", opened.value.only.slice(0, 12)) : to("open"));
    } catch (error) {
      setWrong(error.message);
    }
  };
  const take = async (file) => {
    if (file && file.size > BYTES_LIMIT) setWrong("it is larger than 64 MB");
    else if (file) show(await file.text(), file.name);
  };
  const drop = (event) => (event.preventDefault(), setOver(false), take(event.dataTransfer.files[0]));
  const paste = (event) => (event.preventDefault(), show(event.clipboardData.getData("text"), "pasted"));
  return html`<section class=${classes("drop", over && "over")} aria-label="Open a report"
    onDragOver=${(event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${drop} onPaste=${paste}>
    <${Icon} name="open" />
    <p><label class="choose">Open a report<input type="file" accept=".json,application/json" onChange=${(event) => take(event.target.files[0])} /></label>,
      or drop it here, or paste it: what <code>lathe check --json</code> printed, a failure of <code>lathe sim --json</code>, a trace, or a gauge. It is read in this tab and sent nowhere.</p>
    ${wrong && html`<p class="wrong" role="alert"><bdi>${wrong}</bdi></p>`}
  </section>`;
}
