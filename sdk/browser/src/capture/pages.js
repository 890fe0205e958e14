// What is recorded without a line of the site's own code: page views.

/** @import { Options, PageState, RecordEvent } from "../types.d.ts" */

import { guard } from "../guard.js";

const TITLE_AFTER_MS = 100;

/**
 * Page views: when the page is first seen, when a script changes the address (single-page
 * applications), and when the browser brings the page back from its cache.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {PageState} page its `referrer` is set to the old address when a script changes the address
 */
export function watchPages(record, _options, page) {
  let shown = "";

  /** @param {number} [at] */
  function view(at) {
    shown = location.href;
    const event = record("page_view", {}, at);
    // The title often follows the address by a moment, and the event leaves a little later still.
    setTimeout(() => {
      if (location.href === event.url) event.title = document.title;
    }, TITLE_AFTER_MS);
  }

  const follow = guard(() => {
    // A fragment alone is a place in a page, not a page.
    if (!shown || location.href.split("#")[0] === shown.split("#")[0]) return;
    page.referrer = shown;
    view();
  });

  for (const method of /** @type {const} */ (["pushState", "replaceState"])) {
    const original = history[method];
    history[method] = function (...args) {
      original.apply(this, args);
      follow();
    };
  }
  addEventListener("popstate", follow);
  addEventListener(
    "pageshow",
    guard((/** @type {PageTransitionEvent} */ event) => {
      if (event.persisted) view();
    }),
  );

  if (document.visibilityState === "hidden") {
    // Opened in a background tab or rendered ahead of the visit: it counts when it is seen.
    const seen = guard(() => {
      document.removeEventListener("visibilitychange", seen);
      view();
    });
    document.addEventListener("visibilitychange", seen);
  } else {
    view(Math.round(performance.timeOrigin));
  }
}
