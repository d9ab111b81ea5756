// A check that somebody asked for, refused or not: what a reviewer reads before anything is loaded.
import { Subject } from "../lazy/subject.js";
import { useCheck } from "../lazy/subjects.js";
import { html } from "../ui.js";

export default ({ id, tab }) => html`<${Subject} subject=${useCheck(id)} tab=${tab} />`;
