// What is recorded without a line of the site's own code: chats and other widgets.

/** @import { Options, Properties, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { guard } from "../guard.js";
import { readStorage, writeStorage } from "../store.js";
import { touchSession } from "../visitor.js";
import { listen } from "./listen.js";

/**
 * Gives the page `trackway.widget(name)`, and records by itself when an element with
 * `data-track-widget="name"` is shown and hidden.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchWidgets(record, _options, page) {
  const spare = Math.random();

  /**
   * @param {string} name
   * @param {string} eventType
   * @param {Properties} [properties]
   * @param {string | number} [id] of the conversation; else there is one for each session
   */
  const tell = (name, eventType, properties, id = `${touchSession() || spare}.${name}`) => {
    const key = "tw_talk." + name;
    const [talk, count] = JSON.parse(readStorage(key) || "[]");
    const sequence = talk === id ? count + 1 : 1;
    writeStorage(key, JSON.stringify([id, sequence]));
    return record(eventType, { ...properties, widget: name, sequence }, { instance_id: id });
  };

  page.tell_ = (find, eventType, properties) => {
    const name = find("[data-track-widget]")?.dataset.trackWidget;
    return name && tell(name, eventType, properties);
  };

  window.trackway.widget = (/** @type {string} */ name, /** @type {string | number | undefined} */ id) => {
    /** @param {string} eventType */
    const step = (eventType) => guard((/** @type {Properties | undefined} */ properties) => tell(name, eventType, properties, id));
    return { opened: step("widget_opened"), closed: step("widget_closed"), message: step("message_sent"), cta: step("cta_clicked") };
  };

  /** @type {Map<any, boolean>} Elements: are they shown? One that was taken out of the page is not. */
  const open = new Map();
  const look = guard((/** @type {unknown} */ changes) => {
    for (const element of [...open.keys(), ...document.querySelectorAll("[data-track-widget]")]) {
      const shown = element.open !== false && element.checkVisibility({ visibilityProperty: true });
      // What is open while the page loads was opened by nobody.
      if (changes && !open.get(element) === shown) tell(element.dataset.trackWidget, shown ? "widget_opened" : "widget_closed");
      open.set(element, shown);
    }
  });
  look(0);
  new MutationObserver(look).observe(document, { childList: true, subtree: true, attributes: true });
  listen("transitionend", look);
}
