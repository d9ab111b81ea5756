// Views that stand on modules of their own: one line each, added to the router's.
import { addViews } from "./router.js";

addViews([]);
