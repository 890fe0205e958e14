// The script without its automatic capture: reads its own tag, becomes the global `trackway`,
// replays what was called before it had loaded, and starts the watchers that it is given.
//
// The seam to capture/: a watcher is `watchX(record, options, page)`.
//   record(eventType, properties, at?, extra?) -> event   `at` in ms, `extra` further fields of the event
//   options    what the tag's data-* attributes or init() said: options.clicks is data-clicks
//   page       {referrer}: set it when a script has changed the address; every later event carries it
// The seam to dropins/: openDelivery of delivery.js, and the functions of visitor.js.
//
// It never throws into the page: every way in from the page goes through `guard`.

/** @import { EarlyCall, Options, Properties, RecordEvent, Trackway, TrackedEvent, Watcher } from "./types.d.ts" */

import { openDelivery } from "./delivery.js";
import { guard, warn } from "./guard.js";
import { hash } from "./hash.js";
import { makeUuid } from "./uuid.js";
import { cookieless, readAnonymousId, touchSession } from "./visitor.js";


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
 * @param {Options} options
 * @param {Record<string, Watcher>} watchers
 */
function start(endpoint, writeKey, options, watchers) {
  const deliver = openDelivery(endpoint, writeKey);
  const anonymousId = readAnonymousId();
  let userId = "";
  /** @type {Properties | undefined} */
  let consent;
  const page = { referrer: document.referrer };

  /** @type {RecordEvent} */
  const record = (eventType, properties, at = Date.now(), extra) => {
    /** @type {TrackedEvent} */
    const event = {
      event_type: eventType,
      dedupe_key: makeUuid(at),
      occurred_at: new Date(at).toISOString(),
      url: location.href,
      referrer: page.referrer,
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
    Object.assign(event, extra);
    // Under Global Privacy Control it would lead to whom the other sender knows.
    if (cookieless) delete event.instance_id;
    deliver(event);
    return event;
  };

  /**
   * The public calls; the first argument is when the page made the call.
   * @type {Record<string, (at: number, first?: any, second?: unknown, third?: any) => void>}
   */
  const calls = {
    track(at, eventType, properties, more) {
      if (typeof eventType === "string" && eventType) record(eventType, properties, at, more?.instance_id ? { instance_id: String(more.instance_id) } : {});
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
      record("identify", {}, at, traits ? { traits: copyProperties(traits) } : {});
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
  for (const name in watchers) {
    if (!/^(off|false)$/.test(String(options[name]))) guard(() => watchers[name]?.(record, options, page))();
  }
  replay.filter((call) => call?.[0] !== "consent").forEach(push);
}

/**
 * @param {Options} options `key`, `endpoint` and those of the watchers
 * @param {Record<string, Watcher>} watchers what to watch the page with, by the option that switches it off
 */
export const startFromOptions = guard((/** @type {Options} */ options, /** @type {Record<string, Watcher>} */ watchers) => {
  if (window.trackway && "version" in window.trackway) return warn("the script is on this page twice");
  const { key, endpoint } = options;
  if (!key || !endpoint) return warn("init() needs key and endpoint");
  start(new URL(String(endpoint), document.baseURI).href, String(key), options, watchers);
});

/** @param {Record<string, Watcher>} watchers see `startFromOptions` */
export const startFromTag = guard((/** @type {Record<string, Watcher>} */ watchers) => {
  const tag = document.currentScript || document.querySelector("script[data-key]");
  if (!(tag instanceof HTMLScriptElement)) return warn("found no script tag with data-key");
  if (!tag.dataset.key) return warn("the script tag needs data-key");
  startFromOptions({ endpoint: new URL("/v1/events", tag.src).href, ...tag.dataset }, watchers);
});
