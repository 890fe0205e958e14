// What is recorded without a line of the site's own code: page views.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { guard } from "../guard.js";
import { listen } from "./listen.js";

const TITLE_AFTER_MS = 190;

/**
 * Page views: when the page is first seen, when a script changes the address (single-page
 * applications), and when the browser brings the page back from its cache.
 *
 * @param {RecordEvent} record
 * @param {Options} options `hashes: "on"` where the fragment names the page, as in "#/cart"
 * @param {Page} page its `referrer` is set to the old address when a script changes the address
 */
export function watchPages(record, options, page) {
  let shown = "";

  /** @param {string} address */
  // A fragment alone is a place in a page, not a page.
  const strip = (address) => address.split(options.hashes === "on" ? " " : "#")[0];

  /** @param {number} [at] */
  const view = (at) => {
    shown = location.href;
    page.view_ = record("page_view", {}, {}, at);
    // The title often follows the address by a moment, and the event leaves a little later still.
    setTimeout(() => {
      if (shown === location.href) /** @type {any} */ (page.view_).title = document.title;
    }, TITLE_AFTER_MS);
  };

  const follow = guard((/** @type {unknown} */ _said) => {
    if (!shown || strip(shown) === strip(location.href)) return;
    page.end_?.();
    page.referrer = shown;
    view();
  });

  if (window.navigation) window.navigation.addEventListener("currententrychange", follow);
  else {
    for (const method of /** @type {const} */ (["pushState", "replaceState"])) {
      const original = history[method];
      history[method] = (...args) => follow(original.apply(history, args));
    }
    listen("popstate", follow);
  }

  // Opened in a background tab or rendered ahead of the visit: it counts when it is seen.
  const see = (/** @type {{persisted?: boolean, at?: number}} */ { persisted, at }) => {
    if (persisted || !(shown || document.hidden)) view(at);
  };
  listen("pageshow visibilitychange", see);
  see({ at: Math.round(performance.timeOrigin) });
}
