// What watches the page. The name is the option: `data-clicks="off"` leaves out `clicks`.

/** @import { Watcher } from "../types.d.ts" */

import { watchClicks } from "./clicks.js";
import { watchForms } from "./forms.js";
import { watchLeaving } from "./leave.js";
import { watchPages } from "./pages.js";

/** @type {Record<string, Watcher>} */
export const WATCHERS = { leave: watchLeaving, clicks: watchClicks, forms: watchForms, pages: watchPages };
