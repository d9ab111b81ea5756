// What a blueprint is like, as far as lists and forms need it: fields, states, and what `create` asks for.
import { at, useGet } from "./api.js";
import { useFresh } from "./events.js";

/** One blueprint of an app, by the plural of its entities: `{model, app, problem}`; asked anew after a swap. */
export function useModel(app, plural) {
  const fresh = useFresh((event) => event.app === app && (event.kind === "migrate" || event.changes.state), 5_000);
  const { data, problem } = useGet(at("apps", app), fresh);
  return { app: data, model: data?.blueprints.find((one) => one.plural === plural), problem };
}

/** The kind of a state (`runs`, `waits`, `rests`, `final`). */
export const kindIn = (model, state) => model?.states.find((one) => one.state === state)?.kind;
