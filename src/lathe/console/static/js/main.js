// The frame around every view: navigation, what is wrong with the connection, and the view itself.
import { follow } from "./events.js";
import { listen } from "./router.js";
import "./views.js";
import { html, render } from "./ui.js";
import { Shell } from "./parts/shell.js";

listen();
render(html`<${Shell} />`, document.getElementById("console"));
follow();
