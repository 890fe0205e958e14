// The script without its automatic capture: reads its own tag, becomes the global `trackway`,
// replays what was called before it had loaded, and starts the watchers that it is given.
//
// The seam to capture/: a watcher is `watchX(record, options, page)`.
//   record(eventType, properties, at?, extra?) -> event   `at` in ms, `extra` further fields of the event
//   options    what the tag's data-* attributes or init() said: options.clicks is data-clicks
//   page       {referrer, scrub(url)}: set `referrer` when a script has changed the address, and every
//              later event carries it; `scrub` is the site's own rule for addresses
// The seam to dropins/, all importable alone:
//   delivery.js  openDelivery({endpoint_, name_, pack_, most_, answered_}) -> deliver(event)
//   consent.js   startConsent(fallback), state: "denied" (record nothing) and so on
//   visitor.js   readAnonymousId() -> id, touchSession(Date.now(), campaign) -> id, forgetVisitor()
//
// It never throws into the page: every way in from the page goes through `guard`.

/** @import { EarlyCall, Options, Properties, RecordEvent, TrackedEvent, Watcher } from "./types.d.ts" */

import { copyProperties, isFunction, isObject, takeId } from "./calls.js";
import { enterState, optOut, readAnswer, startConsent, state } from "./consent.js";
import { openDelivery } from "./delivery.js";
import { attempt, guard, warn } from "./guard.js";
import { hash } from "./hash.js";
import { makeUuid } from "./uuid.js";
import { forgetVisitor, readAnonymousId, readCampaign, touchSession } from "./visitor.js";

const MOST_HELD = 1000;

/**
 * @param {Options} options `key`, `endpoint` and those of the watchers
 * @param {Record<string, Watcher>} watchers what to watch the page with, by the option that switches it off
 */
export const startFromOptions = guard((/** @type {Options} */ options, /** @type {Record<string, Watcher>} */ watchers) => {
  if (window.trackway?.version) return warn("the script is on this page twice");
  if (!options.key) return warn("the script tag needs data-key");
  startConsent(options.consent);
  const deliver = openDelivery({
    endpoint_: options.endpoint,
    name_: options.key,
    pack_: (events) => JSON.stringify({ write_key: options.key, sent_at: new Date().toISOString(), events }),
  });
  // What is undefined is no part of the JSON that is sent.
  /** @type {string | undefined} */
  let userId;
  /** @type {string | undefined} */
  let accountId;
  let campaign = readCampaign();
  /** @type {Properties | undefined} */
  let consent;
  /** @type {TrackedEvent[]} */
  const held = [];

  // A function, or the name of a global one.
  const hook = /** @type {any} */ (window)[options.scrub] || options.scrub;
  const page = {
    referrer: document.referrer,
    // A rule that fails gives no address, rather than one it should have shortened.
    scrub: (/** @type {string} */ url) => (hook ? String(attempt(() => hook(url))) : url),
  };

  /** @param {TrackedEvent} event */
  const dispatch = (event) => {
    if (state === "denied") return;
    event.consent = consent;
    if (state === "cookieless") {
      if (/^(identify|group|alias|set)$/.test(event.event_type)) return;
      event.user_id = event.account_id = event.instance_id = undefined;
    } else {
      event.anonymous_id = readAnonymousId() || undefined;
      event.session_id = touchSession(Date.now(), campaign) || undefined;
      campaign = "";
    }
    deliver(event);
  };

  /** @type {RecordEvent} */
  const record = (eventType, properties, at = Date.now(), extra) => {
    /** @type {TrackedEvent} */
    const event = {
      event_type: eventType,
      dedupe_key: makeUuid(at),
      occurred_at: new Date(at).toISOString(),
      url: page.scrub(location.href),
      referrer: page.scrub(page.referrer),
      title: document.title,
      properties: copyProperties(properties),
      context: {
        screen: `${screen.width}x${screen.height}`,
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        consent_state: state,
      },
      user_id: userId,
      account_id: accountId,
      ...extra,
    };
    if (state !== "pending") dispatch(event);
    else if (held.length < MOST_HELD) held.push(event);
    return event;
  };

  /**
   * Records what a call says. `rest` holds properties, options and a callback, each if it is there.
   *
   * @param {number} at
   * @param {string} eventType
   * @param {any[]} rest
   * @param {"properties" | "traits" | "account_traits"} field where the properties go
   */
  const say = (at, eventType, rest, field) => {
    const [properties, more] = rest.filter((value) => !isFunction(value));
    rest.filter(isFunction).forEach((callback) => setTimeout(guard(callback)));
    return record(eventType, {}, at, {
      ...(properties && { [field]: copyProperties(properties) }),
      ...(more?.instance_id && { instance_id: String(more.instance_id) }),
    });
  };

  /**
   * The public calls, with when the page made them. False is said of arguments that make no sense.
   * @type {Record<string, any>}
   */
  const calls = {
    track: (/** @type {number} */ at, /** @type {any} */ eventType, /** @type {any[]} */ ...rest) =>
      eventType === "identify"
        ? calls.identify(at, ...takeId(rest.shift()), ...rest)
        : !!eventType && typeof eventType === "string" && say(at, eventType, rest, "properties"),
    page: (/** @type {number} */ at, /** @type {any[]} */ ...rest) => {
      // page(category, name, properties): one text alone is the name.
      const texts = [];
      while (typeof rest[0] === "string") texts.unshift(rest.shift());
      const [name, category] = texts;
      const { properties } = say(at, "page_view", rest, "properties");
      if (name) Object.assign(properties, { name, category });
    },
    identify: (/** @type {number} */ at, /** @type {any[]} */ ...rest) => {
      const id = isObject(rest[0]) ? "" : rest.shift();
      if (!id && !isObject(rest[0])) return false;
      if (id) userId = String(id);
      return say(at, "identify", rest, "traits");
    },
    group: (/** @type {number} */ at, /** @type {any} */ id, /** @type {any[]} */ ...rest) => {
      if (!id || isObject(id)) return false;
      accountId = String(id);
      return say(at, "group", rest, "account_traits");
    },
    alias: (/** @type {number} */ at, /** @type {any} */ id, /** @type {any} */ previous) =>
      !!id && !!previous && record("alias", {}, at, { user_id: String(id), identifiers: { user_id: [String(previous)] } }),
    set: (/** @type {number} */ at, /** @type {any[]} */ ...rest) => isObject(rest[0]) && say(at, "set", rest, "traits"),
    reset: () => {
      userId = accountId = undefined;
      forgetVisitor();
    },
    consent: (/** @type {number} */ at, /** @type {any} */ said) => {
      if (said == null) return false;
      const states = copyProperties(isObject(said) ? said : { tracking: said });
      const answer = readAnswer(states.tracking ?? states.analytics ?? states.analytics_storage);
      // A word of ours: to the server it says nothing.
      if (answer === "cookieless") states.tracking = undefined;
      consent = { ...consent, ...states };
      // A yes holds for the event that says it; a no still says whose it was.
      if (answer && answer !== "denied") enterState(answer);
      record("consent_updated", {}, at);
      if (answer === "denied") enterState(answer);
      if (state !== "pending") held.splice(0).forEach(dispatch);
      return true;
    },
    optOut: () => optOut("1"),
    optIn: () => optOut(""),
  };

  /** @type {(call: EarlyCall) => void} */
  const push = guard((call) => {
    const [method, ...args] = call;
    // hasOwnProperty: "constructor" is no call.
    const said = calls.hasOwnProperty(method) && calls[method](call.when || Date.now(), ...args);
    if (said === false) warn(method + "() is no call, or needs other arguments");
  });

  // The array that was the queue becomes the global, so that references taken early keep working.
  const early = Array.isArray(window.trackway) ? window.trackway : [];
  const replay = /** @type {EarlyCall[]} */ (early.splice(0));
  window.trackway = Object.assign(early, { version: VERSION, push, hash });
  for (const name of Object.keys(calls)) {
    window.trackway[name] = (/** @type {unknown[]} */ ...args) => push([name, ...args]);
  }

  // What the visitor has answered already holds for the first page view, too.
  const answers = (/** @type {EarlyCall} */ call) => /^(consent|opt)/.test(call?.[0]);
  replay.filter(answers).forEach(push);
  for (const name in watchers) {
    if (!/^(off|false)$/.test(/** @type {any} */ (options[name]))) guard(() => /** @type {Watcher} */ (watchers[name])(record, options, page))();
  }
  replay.filter((call) => !answers(call)).forEach(push);
});

/**
 * The tag's data-* attributes are the options.
 *
 * @param {Record<string, Watcher>} watchers see `startFromOptions`
 */
export const startFromTag = guard((/** @type {Record<string, Watcher>} */ watchers) => {
  const tag = /** @type {HTMLScriptElement} */ (document.currentScript || document.querySelector("script[data-key]"));
  startFromOptions({ endpoint: new URL("/v1/events", tag.src), ...tag.dataset }, watchers);
});
