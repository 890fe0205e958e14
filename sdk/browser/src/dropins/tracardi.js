// window.tracker, as Tracardi's snippet and documentation have it, posting to /track.
//
// An implementation of our own, and better in two places: the newest profile id is kept, and events
// without `fire` are sent at any time. It reads the page's global `options`. Not taken over: what
// `external`, `cookies`, `storage`, `location` and `performance` of the original collect.

/** @import { TracardiAnswer, TracardiEvent } from "./dropins.d.ts" */
/** @import { Properties } from "../types.d.ts" */

import { copyProperties } from "../calls.js";
import { listen } from "../capture/listen.js";
import { openDelivery } from "../delivery.js";
import { attempt, guard, warn } from "../guard.js";
import { readStorage, writeStorage } from "../store.js";
import { makeUuid } from "../uuid.js";
import { mayKeep } from "../consent.js";
import { denied, timeZone } from "./visit.js";

const SESSION = "tracardi-session-id";
const PROFILE = "tracardi-profile-id";
const IDLE_S = 30 * 60;

/** @param {string} id "" removes it; a session goes on until nothing was recorded for 30 minutes */
function keepSession(id) {
  attempt(() => {
    document.cookie =
      `${SESSION}=${id};Max-Age=${id ? IDLE_S : 0};Path=/;SameSite=Lax` + (location.protocol > "http:" ? ";Secure" : "");
  });
}

const readSession = () => attempt(() => ("; " + document.cookie).split(`; ${SESSION}=`)[1]?.split(";")[0]);

/** @param {() => void} task */
function whenReady(task) {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", guard(task));
  else guard(task)();
}

/** @param {any[]} items elements that an answer wants in the page; no scripts, nothing that runs */
function addElements(items) {
  for (const { tag, props, content } of items) {
    if (/^script$/i.test(tag)) continue;
    const element = document.createElement(tag);
    for (const name in props) if (!/^on/i.test(name)) element.setAttribute(name, props[name]);
    if (content) element.textContent = content;
    document.body.append(element);
  }
}

guard(() => {
  const { url, source, profile, context: wanted = {}, auto = {}, settings = {} } = options.tracker;
  if (window.tracardi) return warn("loaded twice");
  if (settings.respectDoNotTrack && navigator.doNotTrack === "1") return;

  if (!mayKeep()) {
    writeStorage(PROFILE, "");
    keepSession("");
  }
  const here = new URLSearchParams(location.search);
  window.response ??= { context: {} };
  /** @type {Map<string, (answer: TracardiAnswer) => void>} */
  const waiting = new Map();
  let answered = false;

  /** @type {TracardiEvent[]} of the request that goes next */
  let packed;
  /** @type {(event: TracardiEvent) => void} */
  const deliver = openDelivery(
    url.api + "/track",
    source.id,
    (events) => {
      const session = events[0]?.session;
      // A payload is of one session: those of another go with the next request.
      const others = events.findIndex((event) => event.session !== session);
      if (others > 0) events.splice(others);
      packed = events;
      const known = readStorage(PROFILE);
      const from = wanted.tracardiPass !== false && here.get("__tr_src");
      return JSON.stringify({
        source,
        session: session ? { id: session } : null,
        profile: profile || (known ? { id: known } : null),
        profile_less: !session,
        context: from && session ? { tracardi: { pass: { profile: here.get("__tr_pid"), source: from } } } : {},
        options: { ...window.response?.context, ...(session ? {} : { saveSession: false }) },
        events: events.map(({ session: _, ...event }) => event),
      });
    },
    100,
    async (address, request) => {
      const events = packed;
      const response = await fetch(address, request);
      const { status } = response;
      if (status < 500 && status !== 429) response.json().then((data) => hear({ status, data }, events)).catch(String);
      return response;
    },
  );

  /** @param {TracardiAnswer} answer @param {{id: string}[]} events */
  function hear(answer, events) {
    const { data } = answer;
    if (data?.profile?.id) writeStorage(PROFILE, data.profile.id);
    if (data?.detail) warn("/track answered " + JSON.stringify(data.detail));
    for (const { id } of events) {
      waiting.get(id)?.(answer);
      waiting.delete(id);
    }
    whenReady(() => {
      addElements(data?.ux || []);
      const ready = !answered && data?.profile && window.onTracardiReady;
      if (!ready) return;
      answered = true;
      const told = { tracker, helpers, context: data, config: options };
      if (typeof ready === "function") ready(told);
      else ready.call(told);
    });
  }

  /** @returns {string} "" where it may not or cannot be kept */
  function touchSession() {
    if (!mayKeep()) return "";
    keepSession(readSession() || makeUuid(Date.now()));
    return readSession();
  }

  /** @returns {Properties} */
  function readContext() {
    /** @type {Properties} */
    const found = {
      time: { local: new Date().toISOString(), tz: timeZone },
    };
    const { href, pathname, hash } = location;
    const referer = document.referrer && new URL(document.referrer);
    if (wanted.page !== false)
      found.page = {
        url: href,
        path: pathname,
        hash,
        title: document.title,
        referer: referer ? { host: referer.hostname, query: referer.search.slice(1) } : {},
        history: { length: history.length },
      };
    if (wanted.browser !== false) found.browser = { local: { browser: { language: navigator.language } } };
    if (wanted.screen !== false) found.screen = { local: { width: screen.width, height: screen.height } };
    /** @type {Properties} */
    const utm = {};
    here.forEach((value, name) => name.startsWith("utm_") && (utm[name.slice(4)] = value));
    if (wanted.utm !== false) found.utm = utm;
    return found;
  }

  /**
   * `fire` and `asBeacon` need nothing: every event leaves within a moment, and survives the page.
   *
   * @param {unknown} type
   * @param {unknown} properties
   * @param {any} [more]
   * @returns {Promise<TracardiAnswer>} the answer; it never comes for what is not sent
   */
  const track = (type, properties, more) =>
    new Promise((resolve) =>
      guard(() => {
        if (typeof type !== "string" || !type) return warn("track() needs a type");
        if (denied) return;
        const { context, fire: _, asBeacon: __, async: ___, ...rest } = more || {};
        const now = Date.now();
        /** @type {TracardiEvent} */
        const event = {
          id: makeUuid(now),
          type,
          time: { create: new Date(now).toISOString() },
          properties: copyProperties(properties),
          context: { ...readContext(), ...copyProperties(context) },
          options: copyProperties(rest),
          session: touchSession(),
        };
        waiting.set(event.id, resolve);
        deliver(event);
      })(),
    );

  /** @param {EventTarget} element @param {string} type @param {() => void} heard */
  const addListener = (element, type, heard) => element.addEventListener(type, heard);
  const helpers = {
    track,
    addListener,
    onClick: (/** @type {EventTarget} */ element, /** @type {() => void} */ heard) => addListener(element, "click", heard),
  };
  const early = window.tracker?.q || [];
  // The snippet asks for this state before it hands over what was called so far.
  const tracker = { track, plugins: { tracardi: helpers }, getState: () => ({ plugins: { tracardi: { initialized: true } } }) };
  window.tracardi = { default: tracker };
  window.tracker = tracker;

  for (const [type, properties] of auto.events || []) track(type, properties);
  early.forEach((/** @type {any[]} */ call) => track(call[0], call[1], call[2]));

  whenReady(() => {
    for (const { tag, trigger, data } of auto.triggers || []) {
      for (const element of document.querySelectorAll(`[data-tracardi-tag="${tag}"]`)) {
        const tell = () => track(data.event, data.properties);
        if (trigger === "onVisible") {
          const observer = new IntersectionObserver((seen) => {
            if (!seen.some((entry) => entry.isIntersecting)) return;
            observer.disconnect();
            tell();
          });
          observer.observe(element);
        } else if (trigger === "onMouseOver") addListener(element, "mouseenter", tell);
        else addListener(element, "mouseup", () => String(getSelection()) && tell());
      }
    }
  });

  const domains = settings.trackExternalLinks || [];
  listen("click auxclick", (_event, find) => {
    const link = find("a");
    const known = readStorage(PROFILE);
    if (!domains.includes(link?.hostname) || !known) return;
    const target = new URL(link.href);
    target.searchParams.set("__tr_pid", known);
    target.searchParams.set("__tr_src", source.id);
    link.href = target.href;
  });
})();
