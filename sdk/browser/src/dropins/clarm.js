// window.ClarmTrack, by the tag that Clarm documents: `/widget/loader.js` with data-widget-id.
//
// An implementation of our own: Clarm prints the calls and what they carry, not how its script works.
// There is no chat widget in it; who has one reports it with calls (widget_opened, message_sent).

/** @import { ClarmCall, ClarmEvent } from "./dropins.d.ts" */
/** @import { Page } from "../capture/capture.d.ts" */
/** @import { RecordEvent } from "../types.d.ts" */

import { copyProperties } from "../calls.js";
import { listen } from "../capture/listen.js";
import { watchPages } from "../capture/pages.js";
import { openDelivery } from "../delivery.js";
import { guard, warn } from "../guard.js";
import { readStorage, writeStorage } from "../store.js";
import { makeUuid } from "../uuid.js";
import { touchSession } from "../visitor.js";
import { cookieless, denied, timeZone } from "./visit.js";

const VISITOR = "tw_vid";

/** @returns {string} the id of this browser, "" where it may not or cannot be kept */
function readVisitor() {
  writeStorage(VISITOR, readStorage(VISITOR) || "v_" + makeUuid(Date.now()));
  return readStorage(VISITOR);
}

guard(() => {
  const tag = /** @type {HTMLScriptElement | null} */ (
    document.currentScript || document.querySelector("script[data-widget-id]")
  );
  const { widgetId, heuristics } = tag?.dataset ?? {};
  if (!tag || !widgetId) return warn("the script tag needs data-widget-id");
  const early = window.ClarmTrack?.q;
  if (window.ClarmTrack && !Array.isArray(early)) return warn("ClarmTrack is on this page already");

  /** @type {(event: ClarmEvent) => void} */
  const deliver = openDelivery(
    new URL("/api/track", tag.src),
    widgetId,
    // What the pages mean is read by the server: see core.js.
    (events) => JSON.stringify({ widget_id: widgetId, script: VERSION, commerce: heuristics, events }),
  );
  /** @type {Page} */
  const page = { referrer: document.referrer, scrub: String };

  /**
   * @param {string} name
   * @param {unknown} said
   * @param {unknown} [_extra]
   * @param {number} [at]
   * @returns {ClarmEvent}
   */
  function record(name, said, _extra, at = Date.now()) {
    const properties = copyProperties(said);
    const session = touchSession();
    /** @type {ClarmEvent} */
    const event = {
      event: name,
      properties,
      dedupe_key: makeUuid(at),
      timestamp: new Date(at).toISOString(),
      url: location.href,
      referrer: page.referrer,
      title: document.title,
      context: { time_zone: timeZone },
    };
    if (session) Object.assign(event, { visitor_id: readVisitor(), session_id: session });
    if (cookieless) {
      // It would lead to whom the back end knows.
      delete properties.conversation_id;
      delete properties.conversationId;
    }
    if (!denied && !(cookieless && name === "identify")) deliver(event);
    return event;
  }

  /** @type {(call: ClarmCall) => void} */
  const push = guard((call) => {
    const [name, properties] = call;
    if (typeof name === "string" && name) record(name, properties, {}, call.when);
    else warn("ClarmTrack() needs the name of the event as a text");
  });
  const track = (/** @type {[any, any]} */ ...call) => push(call);
  window.ClarmTrack = Object.assign(track, { track, q: { push } });

  const watched = /** @type {RecordEvent} */ (/** @type {unknown} */ (record));
  watchPages(watched, {}, page);
  listen("click auxclick", (event, find) => {
    const element = find("[data-clarm-cta]");
    if (element && event.button < 2) record("cta_clicked", { cta: element.dataset.clarmCta || element.id, href: element.href });
  });
  early?.forEach(push);
})();
