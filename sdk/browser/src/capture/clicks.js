// What is recorded without a line of the site's own code: clicks.
//
// Never read: what a visitor typed. Of a click only the visible text of the thing clicked is taken.
// A `data-no-track` attribute switches it off for everything inside.

/** @import { RecordEvent } from "../types.d.ts" */

import { guard } from "../guard.js";

const MOST_TEXT = 80;

/**
 * @param {Element} element
 * @returns {string} its visible text, "" when it holds a field that a visitor could have filled
 */
function readText(element) {
  if (element.querySelector("input,textarea,select,[contenteditable],[data-no-track]")) return "";
  if (element.matches("input,textarea,select,[contenteditable]")) return "";
  const text = /** @type {HTMLElement} */ (element).innerText || element.getAttribute("aria-label") || "";
  return text.replace(/\s+/g, " ").trim().slice(0, MOST_TEXT);
}

/**
 * Clicks on links, buttons and whatever carries `data-track`; the middle button too.
 *
 * @param {RecordEvent} record
 */
export function watchClicks(record) {
  const click = guard((/** @type {MouseEvent} */ event) => {
    const target = event.target;
    if (!(target instanceof Element) || event.button > 1) return;
    const element = target.closest("a,button,[data-track]");
    if (!element || target.closest("[data-no-track]")) return;
    const href = /** @type {HTMLAnchorElement} */ (element).href;
    record("click", {
      tag: element.localName,
      text: readText(element),
      id: element.id || undefined,
      name: element.getAttribute("data-track") || undefined,
      href: typeof href === "string" ? href : undefined,
    });
  });
  // In the capture phase, so that a page that stops the event is recorded as well.
  addEventListener("click", click, true);
  addEventListener("auxclick", click, true);
}
