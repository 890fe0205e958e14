// What is recorded without a line of the site's own code: chats and other widgets.

/** @import { Properties, RecordEvent, Watcher } from "../types.d.ts" */
/** @import { Widget } from "./capture.d.ts" */

import { guard } from "../guard.js";
import { readStorage, writeStorage } from "../store.js";
import { makeUuid } from "../uuid.js";
import { touchSession } from "../visitor.js";
import { listen } from "./listen.js";

/** @type {Widget | false} In which the visitor clicks or sends at this moment. */
let around = false;

/**
 * A sent form in a widget is a message, a clicked link in it its call to action. What was written is not read.
 *
 * @param {Watcher} watch
 * @returns {Watcher}
 */
export const inWidgets = (watch) => (record, options, page) =>
  watch(
    (eventType, properties, ...rest) => {
      const { href, name } = /** @type {Properties} */ (properties);
      if (around && eventType === "form_submit") return around.message();
      if (around && (href || name)) return around.cta(/** @type {Properties} */ (properties));
      return record(eventType, properties, ...rest);
    },
    options,
    page,
  );

/**
 * Gives the page `trackway.widget(name)`, and records by itself when an element with
 * `data-track-widget="name"` is shown and hidden.
 *
 * @param {RecordEvent} record
 */
export function watchWidgets(record) {
  const spare = makeUuid(Date.now());

  /**
   * @param {string} name
   * @param {string} [id] of the conversation; else there is one for each session
   * @returns {Widget}
   */
  const widget = (name, id = `${touchSession(Date.now(), "") || spare}.${name}`) => {
    /** @param {string} eventType */
    const step = (eventType) => (/** @type {Properties | undefined} */ properties) => {
      const [count, ...talk] = readStorage("tw_talk." + name).split(" ");
      const sequence = talk.join(" ") === id ? Number(count) + 1 : 1;
      writeStorage("tw_talk." + name, `${sequence} ${id}`);
      return record(eventType, { ...properties, widget: name, sequence }, undefined, { instance_id: id });
    };
    return {
      opened: step("widget_opened"),
      closed: step("widget_closed"),
      message: step("message_sent"),
      cta: step("cta_clicked"),
    };
  };
  // What the page calls cannot fail.
  window.trackway.widget = (/** @type {string} */ name, /** @type {string | undefined} */ id) => {
    const steps = Object.entries(widget(name, id ? String(id) : undefined));
    return Object.fromEntries(steps.map(([step, take]) => [step, guard(take)]));
  };

  listen("click auxclick submit", (_event, path) => {
    const name = path.find((node) => node.dataset?.trackWidget)?.dataset.trackWidget;
    around = !!name && widget(name);
  });

  const readShown = () =>
    /** @type {HTMLDialogElement[]} */ ([...document.querySelectorAll("[data-track-widget]")])
      .filter((element) => element.open !== false && element.checkVisibility({ visibilityProperty: true }))
      .map((element) => element.dataset.trackWidget || "");
  let shown = readShown();
  const look = guard(() => {
    const before = shown;
    shown = readShown();
    for (const name of shown) if (!before.includes(name)) widget(name).opened();
    for (const name of before) if (!shown.includes(name)) widget(name).closed();
  });
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  listen("transitionend", look);
}
