// The page Install while it is open: says so as soon as an event of its source has arrived, or why it was refused.

import { LiveConnection } from "./live.js";
import { showTime } from "./times.js";

const REFUSED_EVERY_MS = 5000;

const check = document.querySelector("[data-check]");
const slot = (name) => check.querySelector(`[data-slot="${name}"]`);
const live = new LiveConnection();
let newest = slot("time").dateTime;

/** @param {any} event */
function showEvent(event) {
  if (event.received_at < newest) return;
  newest = event.received_at;
  slot("type").textContent = event.event_type.slice(0, 60);
  slot("type").href = `/app/events/${encodeURIComponent(event.event_id)}`;
  slot("url").textContent = event.url.slice(0, 200);
  const time = slot("time");
  time.dateTime = time.title = event.received_at;
  showTime(time);
  check.dataset.check = "arrived";
  for (const side of check.querySelectorAll("[data-when]")) side.hidden = side.dataset.when !== "arrived";
}

// What came between the drawing of the page and the connection, and what was refused, of which the feed says nothing.
async function look() {
  try {
    const asked = new URLSearchParams({ source: check.dataset.source });
    const answer = await fetch(`/app/install.json?${asked}`, { headers: { accept: "application/json" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    const { event, rejection } = await answer.json();
    if (event) return showEvent(event);
    if (!rejection) return;
    slot("reason").textContent = rejection.reason;
    slot("message").textContent = rejection.message.slice(0, 300);
    check.querySelector("[data-refused]").hidden = false;
  } catch {
    // The server is away for a moment; the connection comes back by itself, and this with it.
  }
}

live.addEventListener("event", ({ detail }) => detail.source === check.dataset.source && showEvent(detail));
live.addEventListener("joined", look);
setInterval(() => document.hidden || check.dataset.check === "arrived" || look(), REFUSED_EVERY_MS);
check.querySelector("[data-without-script]").hidden = true;
live.open();
