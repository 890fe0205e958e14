// The page Profile while it is open: what the person does now goes into the timeline, into the session
// that is going on, else into a new one. Which events are the person's, the page's keys say.

import { Feed } from "./feed.js";
import { LiveConnection } from "./live.js";
import { showTime } from "./times.js";

const IDLE_MS = 30 * 60 * 1000; // as the server cuts sessions
const MOST_ROWS = 500;
const WORDS = { live: "Live", lost: "Connection lost, retrying", idle: "Connecting" };

const folds = document.querySelector("[data-folds]");
const keys = new Set(
  [...document.querySelector("[data-profile-keys]").content.querySelectorAll("data")].map((each) => each.value),
);
const chip = document.querySelector("[data-live-state]");
const lastSeen = document.querySelector("[data-last-seen]");
const live = new LiveConnection();

/** @param {"live" | "lost" | "idle"} state */
function showState(state) {
  chip.hidden = false;
  chip.dataset.liveState = state;
  const words = chip.querySelector("[data-live-words]");
  if (words.textContent !== WORDS[state]) words.textContent = WORDS[state];
}

/** @param {any} event */
function findFold(event) {
  const own = [...folds.querySelectorAll("[data-session]")];
  const named = event.session_id && own.find((fold) => fold.dataset.session === event.session_id);
  if (named) return named;
  const newest = own[0];
  const goesOn = newest && Date.parse(event.occurred_at) - Date.parse(newest.dataset.ended) <= IDLE_MS;
  // A client that names another session begins one; an event without a name joins what is going on.
  return goesOn && !(event.session_id && "named" in newest.dataset) ? newest : null;
}

/** @param {any} event */
function makeFold(event) {
  const fold = document.querySelector("[data-new-fold]").content.firstElementChild.cloneNode(true);
  fold.dataset.session = event.session_id;
  if (event.session_id) fold.dataset.named = "";
  const time = fold.querySelector("time");
  time.dateTime = time.title = event.occurred_at;
  showTime(time);
  folds.querySelector(".nothing")?.remove();
  folds.prepend(fold);
  return fold;
}

/** @param {any} event */
function take(event) {
  if (!keys.has(event.profile_key) && !keys.has(event.profile_id)) return;
  if (document.querySelector(`[data-folds] [data-event="${CSS.escape(event.event_id)}"]`)) return;
  const fold = findFold(event) ?? makeFold(event);
  if (!new Feed(fold.querySelector("table"), MOST_ROWS).add([event])) return;
  const count = fold.querySelector("[data-fold-count]");
  count.textContent = String(Number(count.textContent.replaceAll(",", "")) + 1);
  if (!(fold.dataset.ended > event.occurred_at)) fold.dataset.ended = event.occurred_at;
  if (lastSeen.dateTime < event.occurred_at) {
    lastSeen.dateTime = lastSeen.title = event.occurred_at;
    showTime(lastSeen);
  }
}

// What came between the drawing of the page and the connection, or while it was lost.
async function refill() {
  try {
    const answer = await fetch(`${location.pathname}.json?limit=30`, { headers: { accept: "application/json" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    for (const event of (await answer.json()).timeline.items.toReversed()) take(event);
  } catch {
    // The connection itself says that it is lost, and asks again.
  }
}

live.addEventListener("event", ({ detail }) => take(detail));
live.addEventListener("joined", refill);
live.addEventListener("state", ({ detail }) => showState(detail));
showState("idle");
live.open();
