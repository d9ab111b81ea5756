// There is no view at this address.
import { Empty } from "../parts/bits.js";
import { HOME } from "../router.js";
import { html } from "../ui.js";

export default () => html`<${Empty} title="There is no view at this address."><a href=${HOME}>To the overview</a><//>`;
