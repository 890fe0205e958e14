// All that can watch the page: what `trackway.js` has, and what made it larger than it may be.
//
// They start in this order: widgets before the clicks and forms that may be in them, campaigns and
// commerce before the first page view, which they look at.

/** @import { Watcher } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { watchLinks } from "../links.js";
import { watchCommerce } from "./commerce.js";
import { watchMedia } from "./media.js";
import { WATCHERS } from "./watchers.js";
import { inWidgets, watchWidgets } from "./widgets.js";

const { campaigns, clicks, forms, pages, leave } = /** @type {any} */ (WATCHERS);

/** @type {Record<string, Watcher>} */
export const ALL = {
  link: watchLinks,
  commerce: watchCommerce,
  media: watchMedia,
  widgets: watchWidgets,
  campaigns,
  clicks: inWidgets(clicks),
  forms: inWidgets(forms),
  pages(record, options, /** @type {Page} */ page) {
    /** @type {typeof record} */
    const recordView = (...said) => {
      const view = record(...said);
      page.guess_?.();
      return view;
    };
    pages(recordView, options, page);
  },
  leave,
};
