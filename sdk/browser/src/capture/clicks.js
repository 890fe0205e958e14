// What is recorded without a line of the site's own code: clicks.
//
// Never read: what a visitor typed. Of a click only the visible text of the thing clicked is taken.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { listen } from "./listen.js";

const MOST_TEXT = 80;
const UNREAD = "[data-no-track],textarea,input,[contenteditable],select";

/**
 * Clicks on links, buttons and whatever carries `data-track`, the middle button too, also inside
 * of open shadow roots. A click on a file is a download instead; one on a link in a widget its call to action.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchClicks(record, _options, page) {
  listen("click auxclick", ({ button }, find) => {
    const element = find("a,button,summary,[role=button],[data-track]");
    if (!element || button > 1) return;
    const { href, host, id, localName } = /** @type {HTMLAnchorElement} */ (element);
    // Nothing of what holds a field that a visitor could have filled.
    const unread = element.closest(UNREAD) || element.querySelector(UNREAD);
    const text = (!unread && (element.innerText || element.ariaLabel)) || "";
    /** @type {Record<string, unknown>} */
    const properties = {
      tag: localName,
      text: text.slice(0, MOST_TEXT),
      id,
      // Links in drawings have no address as text.
      href: host == null ? host : page.scrub(href),
    };
    for (const { name, value } of element.attributes) {
      if (/^data-track\b/.test(name)) properties[name.slice(11) || "name"] = value;
    }
    if (!((href || properties.name) && page.tell_?.(find, "cta_clicked", properties)))
      record("click", properties);
  });
}
