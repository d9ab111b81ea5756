// A check that somebody asked for, refused or not: what a reviewer reads before anything is loaded.
import { Subject } from "../late/subject.js";
import { useCheck } from "../late/subjects.js";
import { html } from "../ui.js";

export default ({ id, tab }) => html`<${Subject} subject=${useCheck(id)} tab=${tab} />`;
