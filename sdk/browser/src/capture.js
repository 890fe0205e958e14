// What is recorded without a line of the site's own code: page views, clicks, sent forms.
//
// Never read: what a visitor typed. Of a form only the names of its fields are taken, of a click
// only the visible text of the thing clicked. A `data-no-track` attribute switches both off for
// everything inside.

/** @import { RecordEvent } from "./types.d.ts" */

import { guard } from "./guard.js";

const MOST_TEXT = 80;
const MOST_FIELDS = 50;
const TITLE_AFTER_MS = 100;

/**
 * Page views: when the page is first seen, when a script changes the address (single-page
 * applications), and when the browser brings the page back from its cache.
 *
 * @param {RecordEvent} record
 * @param {(url: string) => void} leave told the old address when a script changes it
 */
export function watchPages(record, leave) {
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
    leave(shown);
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

/**
 * Forms that are sent.
 *
 * @param {RecordEvent} record
 */
export function watchForms(record) {
  const submit = guard((/** @type {SubmitEvent} */ event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.closest("[data-no-track]")) return;
    // Attributes, not properties: a field called "id" or "action" hides the form's own.
    /** @param {string} name */
    const read = (name) => form.getAttribute(name) || "";
    const fields = new Set();
    for (const field of form.querySelectorAll("input:not([type=hidden]),select,textarea")) {
      const name = field.getAttribute("name");
      if (name && !field.closest("[data-no-track]")) fields.add(name);
    }
    record("form_submit", {
      id: read("id"),
      name: read("name"),
      action: new URL(read("action"), document.baseURI).pathname,
      fields: [...fields].slice(0, MOST_FIELDS),
    });
  });
  addEventListener("submit", submit, true);
}
