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
  page.begin_ = ({ session_id, url, referrer, occurred_at, context }) => {
    // Nobody to keep it of.
    if (!session_id) return;
    for (const name of ["first_touch", "last_touch"]) {
      let touch = JSON.parse(readStorage("tw_" + name) || "{}");
      if (name === "first_touch" ? !touch.url : touch.session_id !== session_id) touch = { session_id, url, referrer, occurred_at };
      writeStorage("tw_" + name, JSON.stringify(touch));
      Object.assign(context, { [name]: touch });
    }
  };
}
