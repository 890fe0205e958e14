// What is recorded without a line of the site's own code: sent forms.
//
// Never read: what a visitor typed. Of a form only the names of its fields are taken.
// A `data-no-track` attribute switches it off for everything inside.

/** @import { RecordEvent } from "../types.d.ts" */

import { guard } from "../guard.js";

const MOST_FIELDS = 50;

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
