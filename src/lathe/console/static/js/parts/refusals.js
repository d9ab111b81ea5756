// What stands in a watched folder and is not what runs: said on every view, until it is mended.
import { get } from "../api.js";
import { onNotice, opens } from "../events.js";
import { path, to } from "../router.js";
import { html, signal, useEffect } from "../ui.js";
import { Icon } from "./icon.js";
import { Prose } from "./prose.js";

/** The newest check of each folder that `lathe dev` watches, where it was not loaded. */
const refusals = signal([]);

async function load() {
  const { items } = await get("/v1/checks").catch(() => ({ items: [] }));
  const newest = new Map();
  for (const one of items) if (one.source === "dev" && !newest.has(one.path)) newest.set(one.path, one);
  refusals.value = [...newest.values()].filter((one) => !one.in_force && one.outcome && one.outcome !== "applied");
}

export function Refusals() {
  useEffect(() => onNotice((kind, one) => (kind === "version" || one.source === "dev") && load()), []);
  useEffect(() => void load(), [opens.value]);
  return refusals.value
    .filter(({ id }) => !path.value.startsWith(`checks/${id}`))
    .map((one) => html`<div key=${one.path} class="banner bad refusal" role="status">
      <${Icon} name="warn" />
      <span><strong><bdi>${one.app || one.path}</bdi>: the newest text is not loaded, the version before runs on.</strong> <${Prose} text=${one.first ? `${one.first.code}: ${one.first.message}` : one.said} /></span>
      <a class="button small" href=${to("checks", one.id)}>Read the report</a>
    </div>`);
}
