// The page Install while it is open: says so as soon as an event of its source has arrived, or why it was refused.

import { LiveConnection } from "./live.js";
import { showTime } from "./times.js";

const LOOK_EVERY_MS = 5000;
// Whoever has pasted the tag has opened a page by then.
const HINTS_AFTER_MS = 40000;

const check = document.querySelector("[data-check]");
const slot = (name) => check.querySelector(`[data-slot="${name}"]`);
const live = new LiveConnection();
let newest = slot("time").dateTime;
let unknownKeys = -1;

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

/** @param {any} trouble */
function showTrouble(trouble) {
  for (const name of ["what", "reason", "advice", "link", "origin"]) slot(name).textContent = trouble[name];
  slot("says").textContent = trouble.says.slice(0, 300);
  slot("link").href = trouble.href;
  const at = slot("at");
  at.hidden = !trouble.at;
  at.dateTime = at.title = trouble.at;
  showTime(at);
  const allow = check.querySelector("[data-allow]");
  allow.hidden = !trouble.origin;
  allow.elements.origin.value = trouble.origin;
  check.querySelector("[data-trouble]").hidden = false;
}

// What came between the drawing of the page and the connection, and what was refused, of which the feed says nothing.
async function look() {
  try {
    const asked = new URLSearchParams({ source: check.dataset.source });
    const answer = await fetch(`/app/install.json?${asked}`, { headers: { accept: "application/json" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    const { event, trouble, keyless } = await answer.json();
    if (event) return showEvent(event);
    if (trouble) showTrouble(trouble);
    // They are nobody's, so only one that came since this page was opened is told.
    if (unknownKeys >= 0 && keyless.unknown_key > unknownKeys) check.querySelector("[data-keyless]").hidden = false;
    unknownKeys = keyless.unknown_key;
  } catch {
    // The server is away for a moment; the connection comes back by itself, and this with it.
  }
}

live.addEventListener("event", ({ detail }) => detail.source === check.dataset.source && showEvent(detail));
live.addEventListener("joined", look);
const lookAgain = () => document.hidden || check.dataset.check === "arrived" || look();
setInterval(lookAgain, LOOK_EVERY_MS);
// Whoever comes back from a page of the site wants to know now.
document.addEventListener("visibilitychange", lookAgain);
setTimeout(() => (check.querySelector("[data-hints]").open = true), HINTS_AFTER_MS);
check.querySelector("[data-without-script]").hidden = true;
live.open();
