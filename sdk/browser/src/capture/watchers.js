// What watches the page. The name is the option: `data-clicks="off"` leaves out `clicks`.
//
// Links come first: the id that an address brings holds for all that follows. Touches come before the
// first page view, which carries them. The order besides is the one that packs best.

/** @import { Watcher } from "../types.d.ts" */

import { watchLinks } from "../links.js";
import { watchLeaving } from "./leave.js";
import { watchCampaigns } from "./campaigns.js";
import { watchClicks } from "./clicks.js";
import { watchWidgets } from "./widgets.js";
import { watchForms } from "./forms.js";
import { watchPages } from "./pages.js";
import { watchMedia } from "./media.js";

/** @type {Record<string, Watcher>} */
export const WATCHERS = {
  link: watchLinks,
  widgets: watchWidgets,
  campaigns: watchCampaigns,
  clicks: watchClicks,
  media: watchMedia,
  forms: watchForms,
  leave: watchLeaving,
  pages: watchPages,
};
