// What is recorded without a line of the site's own code: sent forms.
//
// Never read: what a visitor typed. Of a form only the names of its fields are taken.

/** @import { RecordEvent } from "../types.d.ts" */

import { listen } from "./listen.js";

const MOST_FIELDS = 50;

/**
 * Forms that are sent.
 *
 * @param {RecordEvent} record
 */
export function watchForms(record) {
  listen("submit", ({ target: form }) => {
    // Attributes, not properties: a field called "id" or "action" hides the form's own.
    const [id, name, action] = ["id", "name", "action"].map((key) => form.getAttribute(key) || "");
    /** @type {HTMLInputElement[]} */
    const fields = [...form.querySelectorAll(":is(input:not([type=hidden]),textarea,select):not([data-no-track],[data-no-track] *)")];
    const names = fields.map((field) => field.name);
    record("form_submit", {
      id,
      name,
      action: new URL(action || "", document.baseURI).pathname,
      fields: [...new Set(names)].filter((name) => name).slice(0, MOST_FIELDS),
    });
  });
}
