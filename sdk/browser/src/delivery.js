// Brings events to the collector: in memory, in order, again until it has them or refuses them.
//
// The body is text/plain with the key inside, so that no browser asks for permission first (no
// CORS preflight). An event is taken off the queue when the collector has answered. When the page
// goes away, what is left goes out by sendBeacon, whose answer nobody hears. Nothing is kept on
// disk: events that could not be sent before the page was closed are gone.

/** @import { TrackedEvent } from "./types.d.ts" */

const LINGER_MS = 200; // events of one moment share a request
const MOST_BYTES = 60_000; // browsers let 64 KiB outlive the page
const MOST_EVENTS = 100;
const MOST_WAITING = 1000;
const LONGEST_PAUSE_MS = 300_000;

/**
 * @param {string} endpoint
 * @param {string} writeKey
 * @returns {(event: TrackedEvent) => void} takes an event for delivery
 */
export function openDelivery(endpoint, writeKey) {
  /** @type {TrackedEvent[]} */
  let waiting = [];
  let inFlight = 0;
  let failures = 0;
  let timer = 0;

  /** @param {TrackedEvent[]} events */
  function pack(events) {
    return JSON.stringify({ write_key: writeKey, sent_at: new Date().toISOString(), events });
  }

  /**
   * The first of `events` that fit into one request. One event too large for that goes alone.
   * @param {TrackedEvent[]} events
   */
  function fillRequest(events) {
    let count = Math.min(events.length, MOST_EVENTS);
    for (;;) {
      const body = pack(events.slice(0, count));
      const fits = new Blob([body]).size <= MOST_BYTES;
      if (fits || count < 2) return { count, body, fits };
      count >>= 1;
    }
  }

  /** @param {number} delay milliseconds */
  function plan(delay) {
    clearTimeout(timer);
    timer = setTimeout(send, delay);
  }

  async function send() {
    if (inFlight || !waiting.length) return;
    const { count, body, fits } = fillRequest(waiting);
    inFlight = count;
    let status = 0;
    try {
      status = (await fetch(endpoint, { method: "POST", body, keepalive: fits })).status;
    } catch {
      // No network, blocked, or refused by CORS: the browser does not tell which.
    }
    inFlight = 0;
    if (!status || status >= 500 || status === 408 || status === 429) {
      failures += 1;
      plan(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures) * (0.5 + Math.random() / 2));
    } else {
      failures = 0;
      waiting.splice(0, count);
      plan(0);
    }
  }

  /** What has not been sent leaves with the page. */
  function sendLast() {
    let rest = waiting.slice(inFlight);
    while (rest.length) {
      const { count, body } = fillRequest(rest);
      try {
        if (!navigator.sendBeacon(endpoint, body)) return;
      } catch {
        return;
      }
      rest = rest.slice(count);
      // After a failure this may fail too, so the events stay for another try should the page
      // live on; dedupe_key makes the repeat harmless.
      if (!failures) waiting.splice(inFlight, count);
    }
  }

  addEventListener("pagehide", sendLast);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") sendLast();
  });
  addEventListener("online", () => plan(0));

  return (event) => {
    if (waiting.length < MOST_WAITING) waiting.push(event);
    if (!failures && !inFlight) plan(LINGER_MS);
  };
}
