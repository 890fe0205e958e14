// Guesses what a page is for: one on which one pays, or the one after it.
//
// They are flagged as guesses, and the server never counts them as revenue.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { guard } from "../guard.js";

/**
 * `payment_page_view` and `payment_success`, once per session and order: the server drops a repeat
 * by its dedupe_key.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchCommerce(record, _options, page) {
  /** @param {string} eventType @param {string} [once] */
  function guess(eventType, once) {
    const event = record(eventType, { auto: true, heuristic: true });
    if (event.session_id) event.dedupe_key = [eventType, event.session_id, once].join();
  }

  page.guess_ = () => {
    const { pathname, search } = location;
    const address = pathname + search;
    const [, order] = /(?:order|session)[\w-]*[=/]([\w-]*\d[\w-]*)/i.exec(address) || [];
    if (/thank-?you|order-?(confirm|receiv)/i.test(address) || (order && /success/i.test(address))) guess("payment_success", order);
    else if (/\/(checkout|payment|billing|cart)(\/|$)/i.test(pathname)) guess("payment_page_view");
  };
  // The form of a payment provider; their scripts alone are on other pages, too.
  document.addEventListener(
    "load",
    guard((/** @type {any} */ { target }) => {
      if (target.localName === "iframe" && /elements-inner|adyen|braintree|mollie/.test(target.src)) guess("payment_page_view");
    }),
    true,
  );
}
