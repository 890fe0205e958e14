// The rows of the live feed: makes a row of an event by filling the page's <template>, slot by slot.
// Text goes in as text, never as HTML. What a row says is decided as in formats.py.

import { showTime } from "./times.js";

const MOST_ROWS = 50;
const LONGEST_VALUE = 40;
const SHORT_ID = 8;

/** @param {string} text @param {number} length */
const shorten = (text, length) => (text.length <= length ? text : text.slice(0, length - 1).trimEnd() + "…");

/** @param {any} event */
function summarize(event) {
  const page = event.title || event.path || event.url;
  if (page) return page;
  const simple = Object.entries(event.properties).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return simple.slice(0, 3).map(([name, value]) => `${name}: ${shorten(String(value), LONGEST_VALUE)}`).join(", ");
}

/** @param {any} event */
function nameVisitor(event) {
  const known = event.user_id || event.contact_id;
  if (known) return shorten(known, 2 * SHORT_ID);
  return (event.anonymous_id || event.visitor_key.slice(event.visitor_key.indexOf(":") + 1)).slice(-SHORT_ID);
}

export class Feed {
  /**
   * @param {HTMLTableElement} table
   * @param {number} [mostRows] the oldest rows beyond these go
   */
  constructor(table, mostRows = MOST_ROWS) {
    this.mostRows = mostRows;
    this.body = table.tBodies[0];
    this.template = document.querySelector("[data-feed-row]");
    const names = document.querySelector("[data-source-names]").content.querySelectorAll("data");
    this.sourceNames = new Map([...names].map((each) => [each.value, each.textContent]));
  }

  get isEmpty() {
    return this.body.rows.length === 0;
  }

  /**
   * Put events where they belong by time of receipt, newest on top; those that are there are left alone.
   * @param {any[]} events newest first
   * @returns {number} how many were new
   */
  add(events) {
    const there = new Set([...this.body.rows].map((row) => row.dataset.event));
    // After a new connection one event may come twice at once: by the list and by the stream.
    const fresh = events
      .filter((event) => !there.has(event.event_id) && there.add(event.event_id))
      .slice(0, this.mostRows);
    for (const event of fresh.toReversed()) {
      const older = [...this.body.rows].find((row) => row.querySelector("time").dateTime <= event.received_at);
      this.body.insertBefore(this.makeRow(event), older ?? null);
    }
    while (this.body.rows.length > this.mostRows) this.body.deleteRow(-1);
    return fresh.length;
  }

  /** @param {any} event */
  makeRow(event) {
    const row = this.template.content.querySelector("tr").cloneNode(true);
    const slot = (name) => row.querySelector(`[data-slot="${name}"]`);
    const fill = (name, text, title) => {
      const place = slot(name);
      place.textContent = text;
      if (title) place.title = title;
    };
    row.dataset.event = event.event_id;
    row.classList.add("fresh");
    const time = slot("time");
    time.dateTime = time.title = event.received_at;
    showTime(time);
    const summary = summarize(event);
    const source = this.sourceNames.get(event.source) ?? event.source;
    fill("type", shorten(event.event_type, 60), event.event_type);
    slot("type").href = `/app/events/${encodeURIComponent(event.event_id)}`;
    fill("what", shorten(summary, 160), shorten(summary, 500));
    fill("who", nameVisitor(event), event.user_id || event.contact_id || event.anonymous_id || event.visitor_key);
    if (event.profile_id) slot("who").href = `/app/profiles/${encodeURIComponent(event.profile_id)}`;
    fill("country", event.country);
    fill("browser", shorten(event.bot || event.browser, 24));
    fill("source", shorten(source, 40), source);
    return row;
  }
}
