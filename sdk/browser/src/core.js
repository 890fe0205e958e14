// The script without its automatic capture: reads its own tag, becomes the global `trackway`,
// replays what was called before it had loaded, and starts the watchers that it is given.
//
// The browser says what it saw; what that means (a download, a link to another site, a payment page)
// is read by the server, which can do it again: collect/page_meaning.py. So the file stays small.
//
// The seam to capture/: a watcher is `watchX(record, options, page)`.
//   record(eventType, properties, extra?, at?) -> event   `extra` further fields of the event, `at` in ms
//   options    what the tag's data-* attributes or init() said: options.clicks is data-clicks
//   page       {referrer, scrub(url)}: set `referrer` when a script has changed the address, and every
//              later event carries it; `scrub` is the site's own rule for addresses
// The seam to dropins/, all importable alone:
//   delivery.js  openDelivery(endpoint, name, pack, most, post) -> deliver(event)
//   consent.js   startConsent(fallback), mayKeep(), state: "denied" (record nothing) and so on
//   visitor.js   keepAnonymousId() -> id, touchSession(campaign) -> id, forgetVisitor()
//
// It never throws into the page: every way in from the page goes through `guard`.

/** @import { EarlyCall, Options, Properties, RecordEvent, TrackedEvent, Watcher } from "./types.d.ts" */

import { copy, isObject } from "./calls.js";
import { enterState, followAnswer, mayKeep, optOut, readAnswer, startConsent, state } from "./consent.js";
import { openDelivery } from "./delivery.js";
import { attempt, guard, warn } from "./guard.js";
import { hash } from "./hash.js";
import { makeUuid } from "./uuid.js";
import { forgetVisitor, keepAnonymousId, readCampaign, touchSession } from "./visitor.js";

const LAST_HELD = 999; // a thousand

/**
 * @param {Options} options `key`, `endpoint` and those of the watchers
 * @param {Record<string, Watcher>} watchers what to watch the page with, by the option that switches it off
 */
export const startFromOptions = guard((/** @type {Options} */ options, /** @type {Record<string, Watcher>} */ watchers) => {
  // An element of that id is a global, too.
  const early = window.trackway?.splice ? window.trackway : [];
  if (early.version || !options.key) return warn(options.key ? "loaded twice" : "no data-key");
  startConsent(options.consent);
  /** @type {(event: TrackedEvent) => void} */
  const deliver = openDelivery(
    options.endpoint,
    options.key,
    // What is undefined is no part of the JSON.
    (events) =>
      JSON.stringify({
        script: VERSION,
        write_key: options.key,
        sent_at: Date.now(),
        commerce: options.commerce,
        context: {
          screen: [screen.width, screen.height].join("x"),
          time_zone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
        },
        events,
      }),
  );
  /** @type {{user_id?: string, account_id?: string}} */
  let who = {};
  let campaign = readCampaign();
  /** @type {number | undefined} when a call was made, of one that is replayed */
  let when;
  /** @type {Properties | undefined} */
  let consent;
  /** @type {TrackedEvent[]} */
  const held = [];

  // A function, or the name of a global one.
  const hook = /** @type {any} */ (window)[options.scrub] || options.scrub;
  const page = {
    referrer: document.referrer,
    // A rule that fails gives no address, rather than one it should have shortened.
    scrub: (/** @type {string} */ url) => (hook ? attempt(() => hook(url)) : url),
  };

  /** @param {TrackedEvent} event @returns {any} */
  const dispatch = (event) => {
    if (state === "pending") return held[LAST_HELD] || held.push(event);
    if (state === "denied") return;
    event.consent = consent;
    if (mayKeep()) {
      event.anonymous_id = keepAnonymousId();
      event.session_id = touchSession(campaign);
      campaign = "";
      if (event.session_id && event.event_type === "page_view") /** @type {any} */ (page).begin_?.(event);
    } else {
      if (/^(set|alias|group|identify)$/.test(event.event_type)) return;
      event.instance_id = event.account_id = event.user_id = undefined;
    }
    deliver(event);
  };

  /** @type {RecordEvent} */
  const record = (eventType, properties, extra, at = when || Date.now()) => {
    followAnswer();
    // A copy: what the page changes later does not change what happened. Here as in the calls the order is the one that packs best.
    const event = copy({
      event_type: eventType,
      url: page.scrub(location.href),
      dedupe_key: makeUuid(at),
      properties,
      referrer: page.scrub(page.referrer),
      title: document.title,
      context: { consent_state: state },
      occurred_at: at,
      ...who,
      ...extra,
    });
    dispatch(event);
    return event;
  };

  /**
   * Records what a call says.
   *
   * @param {string} eventType
   * @param {"properties" | "traits" | "account_traits"} field where what was said goes
   * @param {any[]} rest what was said, and options, each if it is there
   */
  const say = (eventType, field, [said, more]) =>
    record(eventType, {}, { [field]: isObject(said) ? said : {}, instance_id: more?.instance_id });

  /**
   * The public calls, without the callbacks among their arguments. What is false made no sense.
   * @type {Record<string, any>}
   */
  const calls = {
    track: (/** @type {any} */ type, /** @type {any[]} */ ...rest) =>
      type === "identify" ? calls.identify(...rest) : type && typeof type === "string" && say(type, "properties", rest),
    page: (/** @type {any[]} */ ...rest) => {
      // page(category, name, properties): one text alone is the name.
      const texts = [];
      while (typeof rest[0] === "string") texts.unshift(rest.shift());
      const [name, category] = texts;
      return say("page_view", "properties", [{ ...rest[0], name, category }, rest[1]]);
    },
    group: (/** @type {any} */ id, /** @type {any[]} */ ...rest) =>
      id && !isObject(id) && ((who.account_id = `${id}`), say("group", "account_traits", rest)),
    alias: (/** @type {any} */ id, /** @type {any} */ previous = who.user_id) =>
      id && record("alias", {}, { user_id: `${id}`, identifiers: previous && { user_id: [`${previous}`] } }),
    reset: () => {
      who = {};
      forgetVisitor();
      return true;
    },
    identify: (/** @type {any[]} */ ...rest) => {
      const id = isObject(rest[0]) ? "" : rest.shift();
      const { user_id, userId = user_id, ...traits } = isObject(rest[0]) ? rest[0] : {};
      if (id || userId) who.user_id = `${id || userId}`;
      return (id || rest[0]) && say("identify", "traits", [traits, rest[1]]);
    },
    consent: (/** @type {any} */ said) => {
      if (said == null) return;
      /** @type {any} */
      const states = copy(isObject(said) ? said : { tracking: said });
      const answer = readAnswer(states.tracking ?? states.analytics ?? states.analytics_storage);
      // A word of ours: to the server it says nothing.
      if (answer === "cookieless") states.tracking = undefined;
      consent = { ...consent, ...states };
      // A yes holds for the event that says it; a no still says whose it was.
      if (answer && answer !== "denied") enterState(answer);
      say("consent_updated", "properties", []);
      if (answer === "denied") enterState(answer);
      held.splice(0).forEach(dispatch);
      return state;
    },
    set: (/** @type {any[]} */ ...rest) => isObject(rest[0]) && say("set", "traits", rest),
    optIn: () => optOut(0),
    optOut: () => optOut(1),
  };

  /** @type {(call: EarlyCall) => void} */
  const push = guard((call) => {
    when = call.when;
    // Whatever is a function is called once the event is in the queue.
    const [method, ...rest] = call.filter((value) => !(typeof value === "function" && setTimeout(guard(/** @type {any} */ (value)))));
    if (!calls[/** @type {string} */ (method)]?.(...rest)) warn("cannot read " + method);
  });

  // The array that was the queue becomes the global, so that references taken early keep working.
  const replay = /** @type {EarlyCall[]} */ (early.splice(0));
  window.trackway = Object.assign(early, { version: VERSION, push, hash });
  for (const name in calls) early[name] = (/** @type {unknown[]} */ ...args) => push([name, ...args]);

  // What the visitor has answered already holds for the first page view, too.
  const answers = (/** @type {EarlyCall} */ call) => /^(consent|opt)/.test(call?.[0]);
  replay.filter(answers).forEach(push);
  for (const name in watchers) {
    if (!/^(off|false)$/.test(options[name])) guard(/** @type {Watcher} */ (watchers[name]))(record, options, page);
  }
  replay.filter((call) => !answers(call)).forEach(push);
  when = 0;
});

/**
 * The tag's data-* attributes are the options.
 *
 * @param {Record<string, Watcher>} watchers see `startFromOptions`
 */
export const startFromTag = guard((/** @type {Record<string, Watcher>} */ watchers) => {
  const tag = /** @type {HTMLScriptElement} */ (document.currentScript);
  startFromOptions({ endpoint: new URL("/v1/events", tag.src), ...tag.dataset }, watchers);
});
