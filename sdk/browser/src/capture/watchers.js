// All that watches the page. The name is the option: `data-clicks="off"` leaves out `clicks`.
// They start in this order; `pages` before the replay of early calls, so that the page view comes first.

/** @import { Watcher } from "../types.d.ts" */

import { watchClicks } from "./clicks.js";
import { watchForms } from "./forms.js";
import { watchPages } from "./pages.js";

/** @type {Record<string, Watcher>} */
export const WATCHERS = { pages: watchPages, clicks: watchClicks, forms: watchForms };
