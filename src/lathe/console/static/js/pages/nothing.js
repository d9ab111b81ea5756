// There is no view at this address.
import { Head } from "../parts/bits.js";
import { HOME } from "../router.js";
import { html } from "../ui.js";

export default () => html`<div>
  <${Head} title="Nothing here" about="There is no view at this address." />
  <p><a href=${HOME}>To the overview</a></p>
</div>`;
