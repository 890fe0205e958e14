// What is recorded without a line of the site's own code: sent forms.
//
// Never read: what a visitor typed. Of a form only the names of its fields are taken.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { listen } from "./listen.js";

/**
 * Forms that are sent; one in a widget is a message.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchForms(record, _options, page) {
  listen("submit", ({ target: form }, find) => {
    // Attributes, not properties: a field called "id" or "action" hides the form's own.
    const [id, name, action] = ["id", "name", "action"].map((key) => form.getAttribute(key) || "");
    const fields = form.querySelectorAll("[name]:not(button,[type=hidden],[data-no-track],[data-no-track] *)");
    if (!page.tell_?.(find, "message_sent"))
      record("form_submit", { id, name, action: action.split("?")[0], fields: [...fields].map((field) => field.name) });
  });
}
