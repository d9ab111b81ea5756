// A sentence of the verifier's, in which the author's own words stand between backticks.
import { html } from "../ui.js";

export const Prose = ({ text }) => html`<bdi>${text.split("`").map((part, i) => (i % 2 ? html`<code key=${i}>${part}</code>` : part))}</bdi>`;
