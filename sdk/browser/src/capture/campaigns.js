// How this visitor first came to the site, and how they came this time.
//
// What the address says of campaigns the server reads itself, so the touches are whole addresses.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { readStorage, writeStorage } from "../store.js";

/**
 * Page views carry `first_touch`, kept as long as the visitor's id, and `last_touch`, of this session, in
 * their context: each the landing page, and the referrer that led to it.
 *
 * @param {RecordEvent} _record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchCampaigns(_record, _options, page) {
  page.begin_ = ({ session_id, url, referrer, context }) => {
    const touch = { session_id, url, referrer };
    const { first_touch = touch, last_touch = touch } = JSON.parse(/** @type {any} */ (readStorage("tw_touch") || 0));
    context.first_touch = first_touch;
    context.last_touch = last_touch.session_id === session_id ? last_touch : touch;
    writeStorage("tw_touch", JSON.stringify(context));
  };
}
