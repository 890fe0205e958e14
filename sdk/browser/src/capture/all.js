// All that can watch the page: what `trackway.js` has, and what made it larger than it may be.
//
// They start in this order: widgets before the clicks and forms that may be in them, pages last,
// since its first page view is what campaigns and commerce look at.

/** @import { Watcher } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { watchLinks } from "../links.js";
import { watchCampaigns } from "./campaigns.js";
import { watchCommerce } from "./commerce.js";
import { watchMedia } from "./media.js";
import { WATCHERS } from "./watchers.js";
import { inWidgets, watchWidgets } from "./widgets.js";

const { leave, clicks, forms, pages } = /** @type {Record<"leave" | "clicks" | "forms" | "pages", Watcher>} */ (WATCHERS);

/** @type {Record<string, Watcher>} */
export const ALL = {
  link: watchLinks,
  campaigns: watchCampaigns,
  commerce: watchCommerce,
  media: watchMedia,
  widgets: watchWidgets,
  leave,
  clicks: inWidgets(clicks),
  forms: inWidgets(forms),
  pages(record, options, /** @type {Page} */ page) {
    /** @type {typeof record} */
    const recordView = (...said) => {
      const view = record(...said);
      page.begin_?.(view);
      page.guess_?.();
      return view;
    };
    pages(recordView, options, page);
  },
};
