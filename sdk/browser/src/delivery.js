// Brings events to a collector: in order, again until it has them or refuses them, over the end of
// the page and, by localStorage, into the next one.
//
// The body is text/plain with the key inside, so that no browser asks for permission first (no CORS
// preflight). An event leaves the queue when the collector has answered. What is in doubt when the
// page goes (no answer yet on this page, a failure, a request too large to outlive it) is written to
// the disk besides, and the next page takes it over. So an event may arrive twice: its dedupe key
// makes it count once.

/** @import { DeliveryOptions } from "./types.d.ts" */

import { attempt, guard } from "./guard.js";
import { listStorage, readStorage, writeStorage } from "./store.js";

const LINGER_MS = 200; // events of one moment share a request
const MOST_BYTES = 60_000; // browsers let 64 KiB outlive the page
const MOST_WAITING = 1000;

/**
 * @template T
 * @param {DeliveryOptions<T>} options
 * @returns {(event: T) => void} takes an event for delivery
 */
export const openDelivery = ({ endpoint_, name_, pack_, most_ = 100, answered_ }) => {
  const prefix = `tw_q:${name_}:`;
  const own = prefix + Math.random();
  /** @type {T[]} */
  let waiting = [];
  /** @type {T[]} */
  let inFlight = [];
  let sure = false; // the collector has answered, and nothing has gone wrong since
  /** @type {WeakSet<any>} the end of a page has two events */
  const beaconed = new WeakSet();
  let failures = 0;
  let timer = 0;

  /**
   * The first of `events` that fit into one request. One event too large for that goes alone.
   * @param {T[]} events
   */
  const fillRequest = (events) => {
    for (let count = most_; ; count >>= 1) {
      const taken = events.slice(0, count);
      const body = pack_(taken);
      const fits = new Blob([body]).size <= MOST_BYTES;
      if (fits || count < 2) return { taken_: taken, body, fits_: fits };
    }
  };

  /** @param {T[]} events what is on disk from now on */
  const save = (events) => writeStorage(own, events[0] ? JSON.stringify(events) : "");

  /** @param {number} delay milliseconds */
  const plan = (delay) => {
    clearTimeout(timer);
    timer = setTimeout(send, delay);
  };

  const send = async () => {
    if (inFlight[0] || !waiting[0]) return;
    // The event `online` goes on from here.
    if (!navigator.onLine) return save(waiting);
    let status = 0;
    let pause = 0;
    let sent = waiting;
    try {
      const { taken_, body, fits_ } = fillRequest(waiting);
      inFlight = sent = taken_;
      sure = sure && fits_;
      const response = await fetch(endpoint_, { method: "POST", body, keepalive: fits_ });
      status = response.status;
      pause = /** @type {any} */ (response.headers.get("Retry-After")) * 1000 || 0;
      answered_?.(response, sent);
    } catch {
      // No network, blocked, or refused by CORS: the browser does not tell which.
    }
    inFlight = [];
    if (/^(0|408|429|5..)$/.test(/** @type {any} */ (status))) {
      sure = false;
      save(waiting);
      plan(Math.max(pause, Math.min(150_000, 1000 * 2 ** failures++) * (1 + Math.random())));
    } else {
      failures = 0;
      if (status === 413 && sent[1]) most_ = sent.length >> 1;
      else {
        sure = true;
        waiting = waiting.filter((event) => !sent.includes(event));
        save([]);
      }
      plan(0);
    }
  };

  /** What has not been sent leaves with the page, or stays on disk. */
  const sendLast = () => {
    let rest = waiting.filter((event) => !inFlight.includes(event) && !beaconed.has(event));
    while (rest[0]) {
      const { taken_, body } = fillRequest(rest);
      if (!attempt(() => navigator.sendBeacon(endpoint_, body))) break;
      taken_.forEach((event) => beaconed.add(event));
      rest = rest.slice(taken_.length);
    }
    if (sure && navigator.onLine) waiting = [...inFlight, ...rest];
    else rest = waiting;
    save(rest);
  };

  /** Takes over what other pages have left. */
  const adopt = () => {
    for (const name of listStorage(prefix)) {
      waiting = [...(attempt(() => JSON.parse(readStorage(name))) || []), ...waiting].slice(0, MOST_WAITING);
      writeStorage(name, "");
    }
    plan(LINGER_MS);
  };

  // In the bubble phase: after the watchers, whose last events go with the others.
  addEventListener("visibilitychange", guard(sendLast));
  addEventListener("pagehide", guard(sendLast));
  addEventListener("online", () => plan(0));
  // Two tabs that took over the same would both send it: harmless, but a lock avoids it where there is one.
  (attempt(() => navigator.locks.request(prefix, adopt)) || Promise.reject()).catch(guard(adopt));

  return (event) => {
    if (waiting.length < MOST_WAITING) waiting.push(event);
    if (!failures && !inFlight[0]) plan(LINGER_MS);
  };
};
