// What watches the page. The name is the option: `data-clicks="off"` leaves out `clicks`.
// Touches are there before the first page view, which carries them. The order besides is the one
// that packs best.

/** @import { Watcher } from "../types.d.ts" */

import { watchCampaigns } from "./campaigns.js";
import { watchClicks } from "./clicks.js";
import { watchForms } from "./forms.js";
import { watchLeaving } from "./leave.js";
import { watchPages } from "./pages.js";

/** @type {Record<string, Watcher>} */
export const WATCHERS = {
  forms: watchForms,
  campaigns: watchCampaigns,
  clicks: watchClicks,
  pages: watchPages,
  leave: watchLeaving,
};
