// What is recorded without a line of the site's own code: how long and how far a page was read.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { listen } from "./listen.js";

/**
 * `page_leave` when the page is hidden or left, or a script changes the address. `engaged_ms` counts
 * the time since the last one in which the page was visible and had the focus, so that several of
 * one page add up; `scroll_depth` is the lowest point of the page that was in view, in percent.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchLeaving(record, _options, page) {
  let engaged = 0;
  let since = 0; // 0: not engaged
  let depth = 0;

  const measure = () => {
    // Rounded, in percent.
    depth = Math.min(100, Math.max(depth, (0.5 + (100 * (scrollY + innerHeight)) / document.documentElement.scrollHeight) | 0));
  };

  /** @param {unknown} [event] none: a script has changed the address */
  const look = (event) => {
    const now = performance.now();
    const view = page.view_;
    engaged += since && now - since;
    since = document.hidden || !document.hasFocus() ? 0 : now;
    if (view && engaged > 1 && (!event || document.hidden)) {
      measure();
      record("page_leave", { scroll_depth: depth, engaged_ms: engaged | 0 }, { url: view.url });
      engaged = 0;
    }
  };

  page.end_ = () => {
    look();
    depth = 0;
  };
  listen("scroll", measure);
  listen("blur focus visibilitychange", look);
  look(1);
}
