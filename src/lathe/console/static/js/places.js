// Where one can go: the apps that are loaded, and the entries of the navigation. Modules may add theirs.
import { to } from "./router.js";
import { signal } from "./ui.js";

/** The apps that are loaded, with their blueprints' names. */
export const apps = signal([]);

/** Views of one app: `{name, to(app)}`, in the order in which they are shown. */
export const ofApp = [{ name: "intents", to: (app) => to("apps", app, "intents") }];

/** Views of all apps: `{name, icon, to()}`. */
export const common = [
  { name: "Decisions", icon: "scales", to: () => to("decisions") },
  { name: "Agents and tokens", icon: "agent", to: () => to("access") },
  { name: "Audit", icon: "ledger", scope: "operator", to: () => to("audit") },
];

/** The plural of the entities that a field refers to; nothing for other fields. */
export function refers(app, model, name) {
  const blueprint = model?.fields?.[name]?.type.match(/^ref to (\w+)$/)?.[1];
  return blueprint && apps.value.find((one) => one.app === app)?.blueprints.find((one) => one.blueprint === blueprint)?.plural;
}

/** Who the caller is, as `/v1/me` says: `{principal, kind, roles, scopes, …}`; null before it is known. */
export const me = signal(null);

/** The views of all apps that the caller may open. */
export const open = () => common.filter(({ scope }) => !scope || me.value?.scopes.includes(scope));

/** The states of a blueprint by name, as `/v1/apps` told them last: `{kind, waits, …}`. */
export const statesOf = signal(new Map());
