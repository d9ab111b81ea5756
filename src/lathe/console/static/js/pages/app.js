// One app: what lives, what is overdue, what happens.
import { useLiving } from "../counts.js";
import { recent } from "../events.js";
import { young } from "../now.js";
import { Alerts, AppCard, Overdue } from "../parts/app.js";
import { Card, Head, Trouble } from "../parts/bits.js";
import { Feed } from "../parts/feed.js";
import { Waiting } from "../parts/shell.js";
import { HOME } from "../router.js";
import { html, useEffect } from "../ui.js";

export default function App({ app }) {
  const { data, problem, reload } = useLiving();
  useEffect(() => young(), [recent.value]);
  if (!data) return problem ? html`<${Trouble} problem=${problem} onRetry=${reload} />` : html`<${Waiting} />`;
  const item = data.items.find((one) => one.app === app);
  if (!item) return html`<${Trouble} problem=${new Error(`there is no app ${app}`)} />`;
  const [overdue, alerts] = [item.overdue, item.alerts].map((found) => found.map((one) => ({ ...one, app })));
  return html`<div class="app-page">
    <${Head} title=${app} about=${item.doc} crumbs=${[["Overview", HOME]]} />
    <div class="columns">
      <div><${AppCard} item=${{ ...item, doc: "" }} /><${Alerts} items=${alerts} /><${Overdue} items=${overdue} /></div>
      <div><${Card} title="Now" flush><${Feed} limit=${20} matters=${(event) => event.app === app} /><//></div>
    </div>
  </div>`;
}
