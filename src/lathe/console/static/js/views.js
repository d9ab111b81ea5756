// Views that stand on modules of their own: one line each, added to the router's.
import { common, ofApp } from "./places.js";
import { addViews, to } from "./router.js";

addViews([
  { path: "checks", page: "checks", title: () => "Checks" },
  { path: "checks/:id", page: "check", title: () => "A check" },
  { path: "checks/:id/fork", page: "fork", title: () => "What if" },
  { path: "checks/:id/:tab", page: "check", title: (p) => `A check: ${p.tab}` },
  { path: "checks/:id/traces/:trace", page: "trace", title: (p) => `Trace ${p.trace}` },
  { path: "checks/:id/traces/:trace/fork", page: "fork", title: (p) => `What if, from ${p.trace}` },
  { path: "open", page: "open", title: () => "Open a report" },
  { path: "open/:tab", page: "open", title: () => "An opened report" },
  { path: "open/traces/:trace", page: "trace", title: (p) => `Trace ${p.trace}` },
  { path: "open/traces/:trace/fork", page: "fork", title: (p) => `What if, from ${p.trace}` },
  { path: "simulations", page: "simulations", title: () => "Simulator" },
  { path: "simulations/:id", page: "simulation", title: () => "A campaign" },
  { path: "simulations/:id/runs/:mix/:seed", page: "trace", title: (p) => `Seed ${p.seed}, ${p.mix}` },
  { path: "simulations/:id/runs/:mix/:seed/fork", page: "fork", title: (p) => `What if, from seed ${p.seed}` },
  { path: "apps/:app/entities/:plural/:id/trace", page: "trace", title: (p) => `What happened to ${p.id}` },
  { path: "apps/:app/entities/:plural/:id/trace/fork", page: "fork", title: (p) => `What if, from ${p.id}` },
  { path: "apps/:app/history", page: "history", title: (p) => `Versions · ${p.app}` },
  { path: "apps/:app/versions/:digest", page: "version", title: (p) => `Blueprint · ${p.app}` },
  { path: "apps/:app/versions/:digest/fork", page: "fork", title: (p) => `What if · ${p.app}` },
  { path: "apps/:app/versions/:digest/:tab", page: "version", title: (p) => `${p.tab} · ${p.app}` },
  { path: "apps/:app/versions/:digest/traces/:trace", page: "trace", title: (p) => `Trace ${p.trace} · ${p.app}` },
  { path: "apps/:app/versions/:digest/traces/:trace/fork", page: "fork", title: (p) => `What if · ${p.app}` },
]);
ofApp.unshift(
  { name: "blueprint", to: (app) => to("apps", app, "versions", "current") },
  { name: "versions", to: (app) => to("apps", app, "history") },
);
common.push({ name: "Checks", icon: "report", to: () => to("checks") }, { name: "Simulator", icon: "dice", to: () => to("simulations") });
