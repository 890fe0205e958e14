// The browser script's beginning: reads its own tag, becomes the global `trackway`, replays what
// was called before it had loaded, and starts the automatic capture.
//
// It never throws into the page: every way in from the page goes through `guard`.

/** @import { EarlyCall, Properties, RecordEvent, Trackway, TrackedEvent } from "./types.d.ts" */

import { watchClicks, watchForms, watchPages } from "./capture.js";
import { openDelivery } from "./delivery.js";
import { guard, warn } from "./guard.js";
import { hash } from "./hash.js";
import { makeUuid } from "./uuid.js";
import { cookieless, readAnonymousId, touchSession } from "./visitor.js";

const VERSION = "0.1.0";

/**
 * @param {unknown} properties
 * @returns {Properties} a copy: what the page changes later does not change what happened
 */
function copyProperties(properties) {
  const copy = JSON.parse(JSON.stringify(properties || {}));
  if (typeof copy === "object" && !Array.isArray(copy)) return copy;
  warn("properties are an object");
  return {};
}

/**
 * @param {string} endpoint
 * @param {string} writeKey
 */
function start(endpoint, writeKey) {
  const deliver = openDelivery(endpoint, writeKey);
  const anonymousId = readAnonymousId();
  let userId = "";
  /** @type {Properties | undefined} */
  let consent;
  let referrer = document.referrer;

  /** @type {RecordEvent} */
  const record = (eventType, properties, at = Date.now(), traits, instanceId) => {
    /** @type {TrackedEvent} */
    const event = {
      event_type: eventType,
      dedupe_key: makeUuid(at),
      occurred_at: new Date(at).toISOString(),
      url: location.href,
      referrer,
      title: document.title,
      properties: copyProperties(properties),
      context: {
        screen: `${screen.width}x${screen.height}`,
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      },
    };
    const sessionId = touchSession(Date.now());
    if (anonymousId) event.anonymous_id = anonymousId;
    if (sessionId) event.session_id = sessionId;
    if (userId) event.user_id = userId;
    if (consent) event.consent = consent;
    if (traits) event.traits = copyProperties(traits);
    // Under Global Privacy Control it would lead to whom the other sender knows.
    if (instanceId && !cookieless) event.instance_id = String(instanceId);
    deliver(event);
    return event;
  };

  /**
   * The public calls; the first argument is when the page made the call.
   * @type {Record<string, (at: number, first?: any, second?: unknown, third?: any) => void>}
   */
  const calls = {
    track(at, eventType, properties, more) {
      if (typeof eventType === "string" && eventType) record(eventType, properties, at, undefined, more?.instance_id);
      else warn("track() needs the event type as a text");
    },
    page(at, properties) {
      record("page_view", properties, at);
    },
    identify(at, id, traits) {
      // Under Global Privacy Control nobody is identified.
      if (cookieless) return;
      if (!id || typeof id === "object") return warn("identify() needs the user's id");
      userId = String(id);
      record("identify", {}, at, traits);
    },
    consent(at, states) {
      if (!states || typeof states !== "object") return warn("consent() needs an object of states");
      consent = copyProperties(states);
      record("consent_updated", {}, at);
    },
  };

  /** @type {(call: EarlyCall) => void} */
  const push = guard((call) => {
    const [method, first, second, third] = call;
    if (Object.keys(calls).includes(method)) calls[method]?.(call.when || Date.now(), first, second, third);
    else warn("there is no " + method + "()");
  });

  // The array that was the queue becomes the global, so that references taken early keep working.
  const early = Array.isArray(window.trackway) ? window.trackway : [];
  const replay = early.splice(0);
  /** @type {Trackway} */
  const api = {
    version: VERSION,
    push,
    hash,
    track: (...args) => push(["track", ...args]),
    page: (...args) => push(["page", ...args]),
    identify: (...args) => push(["identify", ...args]),
    consent: (...args) => push(["consent", ...args]),
  };
  window.trackway = Object.assign(/** @type {any} */ (early), api);

  // What the visitor has answered already holds for the first page view, too.
  replay.filter((call) => call?.[0] === "consent").forEach(push);
  guard(() => watchPages(record, (url) => (referrer = url)))();
  replay.filter((call) => call?.[0] !== "consent").forEach(push);
  watchClicks(record);
  watchForms(record);
}

guard(() => {
  if (window.trackway && "version" in window.trackway) return warn("the script is on this page twice");
  const tag = document.currentScript || document.querySelector("script[data-key]");
  if (!(tag instanceof HTMLScriptElement)) return warn("found no script tag with data-key");
  const { key, endpoint } = tag.dataset;
  if (!key) return warn("the script tag needs data-key");
  start(new URL(endpoint || "/v1/events", endpoint ? document.baseURI : tag.src).href, key);
})();
