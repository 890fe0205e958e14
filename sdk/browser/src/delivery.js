// Brings events to a collector: in order, again until it has them or refuses them, over the end of
// the page and, by localStorage, into the next one.
//
// The body is text/plain with the key inside, so that no browser asks for permission first (no CORS
// preflight). An event is on disk from the moment it happens and leaves the queue when the collector has answered.
// What is in doubt when the page goes (no answer yet on this page, a failure, a request too large to
// outlive it) stays there, and the next page takes it over. So an event may arrive twice: its dedupe key
// makes it count once.

import { attempt, guard } from "./guard.js";
import { listStorage, readStorage, writeStorage } from "./store.js";

const LINGER_MS = 200; // events of one moment share a request
const MOST_LONG = 21_000; // browsers let 64 KiB outlive the page; a character may be three bytes
const LAST_WAITING = 999; // a thousand
const LAST_ON_DISK = 99; // of what is written one by one
const CROWD = 20; // so many wait for company, and no more

/**
 * @template T
 * @param {string | URL} endpoint
 * @param {string} name tells apart what is kept on disk for several collectors or keys
 * @param {(events: T[]) => string} pack makes the body of a request
 * @param {number} most events per request
 * @param {typeof fetch} post in place of the browser's own
 * @returns {(event: T) => void} takes an event for delivery
 */
export const openDelivery = (endpoint, name, pack, most = 100, post = fetch) => {
  const prefix = `tw_${name}:`;
  const own = prefix + Math.random();
  /** @type {T[]} */
  const waiting = [];
  let flying = 0; // how many of them, the first ones, are under way
  let sure = false; // the collector has answered, and nothing has gone wrong since
  let failures = 0;
  let timer = 0;

  /**
   * A request of the first waiting events that are not under way. One event too large for that goes alone.
   * @returns {[body: string, fits: boolean, count: number]}
   */
  const fill = (count = most) => {
    const events = waiting.slice(flying, flying + count);
    const body = pack(events);
    const fits = body.length < MOST_LONG;
    return fits || count < 2 ? [body, fits, events.length] : fill(count >> 1);
  };

  const save = () => writeStorage(own, waiting[0] ? JSON.stringify(waiting) : "");

  /** @param {number} delay milliseconds */
  const plan = (delay) => {
    clearTimeout(timer);
    timer = setTimeout(send, delay);
  };

  const send = async () => {
    // The event `online` goes on from here.
    if (!navigator.onLine || flying || !waiting[0]) return;
    let status = 0;
    let pause;
    const [body, keepalive, count] = fill();
    flying = count;
    try {
      const response = await post(endpoint, { method: "POST", body, keepalive });
      status = response.status;
      pause = /** @type {any} */ (response.headers.get("Retry-After")) * 1000;
      // Until it is read, the request counts among the 64 KiB.
      await response.text();
    } catch {
      // No network, blocked, or refused by CORS: the browser does not tell which.
    }
    flying = 0;
    if (/^0|^5|408|429/.test(/** @type {any} */ (status))) {
      sure = false;
      failures++;
      plan((pause || Math.min(150_000, 500 * 2 ** failures)) * (1 + Math.random()));
    } else {
      failures = 0;
      if (status === 413 && count > 1) most = count >> 1;
      else {
        sure = true;
        waiting.splice(0, count);
      }
      // Not at once: the title of a page view among the others may still be on its way.
      plan(LINGER_MS);
    }
    save();
  };

  // What other pages have left. Two tabs may both take over the same.
  for (const left of listStorage(prefix)) {
    attempt(() => waiting.push(...JSON.parse(readStorage(left))));
    save();
    writeStorage(left, "");
  }
  plan(LINGER_MS);

  // A page that ends is hidden first. In the bubble phase: after the watchers, whose last events go with the others.
  addEventListener("visibilitychange", guard(() => {
    // What has not been sent leaves with the page, or stays on disk.
    const before = flying;
    while (waiting[flying]) {
      const [body, , count] = fill();
      if (!attempt(() => navigator.sendBeacon(endpoint, body))) break;
      flying += count;
    }
    if (sure && navigator.onLine) waiting.splice(before, flying - before);
    flying = before;
    save();
  }));
  addEventListener("online", send);

  return (event) => {
    waiting[LAST_WAITING] || waiting.push(event);
    // A crowd is too dear to be written one by one.
    if (waiting[LAST_ON_DISK]) return;
    // On disk at once: a page may be killed.
    save();
    // Many at once wait for no more. How far a film is needs no request of its own, unless it makes a crowd.
    failures || waiting[CROWD + 1] || (!waiting[CROWD] && /o_progress/.test(/** @type {any} */ (event).event_type)) || plan(LINGER_MS);
  };
};
