// Go anywhere by typing: apps, lists, views, or an entity by its id.
import { at, get } from "../api.js";
import { apps, ofApp, open as views } from "../places.js";
import { HOME, go, to } from "../router.js";
import { html, signal, useEffect, useState } from "../ui.js";
import { Dialog } from "./dialog.js";

export const jumpOpen = signal(false);
const SHOWN_LIMIT = 12;
const ID = /^[0-9a-z]{20,40}$/;

function places() {
  const found = [{ name: "Overview", href: HOME }];
  for (const entry of views()) found.push({ name: entry.name, href: entry.to() });
  for (const { app, blueprints } of apps.value) {
    found.push({ name: app, href: to("apps", app) });
    for (const entry of ofApp) found.push({ name: `${app} · ${entry.name}`, href: entry.to(app) });
    for (const one of blueprints) {
      found.push({ name: `${app} · ${one.plural}`, href: to("apps", app, "entities", one.plural) });
    }
  }
  return found;
}

/** The addresses of an id in every list: the ones that answer. */
async function entitiesOf(id) {
  const asked = apps.value.flatMap(({ app, blueprints }) => blueprints.map(({ plural }) => [app, plural]));
  const found = await Promise.all(
    asked.map(([app, plural]) =>
      get(at(app, plural, id)).then(
        ({ state }) => ({ name: `${app} · ${plural} · ${id} (${state})`, href: to("apps", app, "entities", plural, id) }),
        () => null,
      ),
    ),
  );
  return found.filter(Boolean);
}

export function Jump() {
  return html`<${Dialog} title="Jump to" open=${jumpOpen.value} onClose=${() => (jumpOpen.value = false)}><${Finder} /><//>`;
}

function Finder() {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const [entities, setEntities] = useState([]);
  useEffect(() => {
    let is = true;
    setEntities([]);
    if (ID.test(text.trim())) entitiesOf(text.trim()).then((found) => is && setEntities(found));
    return () => (is = false);
  }, [text]);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = places().filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  const shown = [...entities, ...fits].slice(0, SHOWN_LIMIT);
  const follow = (place) => {
    jumpOpen.value = false;
    go(place.href);
  };
  const press = (event) => {
    if (event.key === "ArrowDown") setChosen(Math.min(chosen + 1, shown.length - 1));
    else if (event.key === "ArrowUp") setChosen(Math.max(chosen - 1, 0));
    else if (event.key === "Enter" && shown[chosen]) follow(shown[chosen]);
    else return;
    event.preventDefault();
  };
  return html`<div class="jump">
    <input type="search" value=${text} placeholder="A view, a list, or an entity's id" role="combobox"
      aria-label="Where to" aria-expanded="true" aria-controls="places" aria-activedescendant=${`place-${chosen}`}
      onInput=${(event) => (setText(event.target.value), setChosen(0))} onKeyDown=${press} autocomplete="off" spellcheck=${false} />
    <ul id="places" role="listbox" aria-label="Places">
      ${shown.map((place, i) => html`<li key=${place.href} id=${`place-${i}`} role="option" aria-selected=${i === chosen}
        onMouseMove=${() => setChosen(i)} onClick=${() => follow(place)}><bdi>${place.name}</bdi></li>`)}
    </ul>
    ${!shown.length && html`<p class="muted">Nothing of that name.</p>`}
  </div>`;
}
