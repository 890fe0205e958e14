// The page Tracking while it is open: new events go into the feed, and the figures are asked for
// again when something happened, at most every few seconds and never while the last answer is due.

import { Feed } from "./feed.js";
import { LiveConnection } from "./live.js";

const GATHER_MS = 250;
const FIGURES_EVERY_MS = 2000;
const STATE_EVERY_MS = 10_000;
const RESTS_PER_ANSWER = 10; // an answer that took long is asked for more rarely
const REFILL_ROWS = 30;
const MOST_WAITING = 1000;

const page = document.querySelector(".tracking");
const feed = new Feed(document.querySelector("[data-feed]"));
const live = new LiveConnection();
const chip = document.querySelector("[data-live-state]");
const note = document.querySelector("[data-feed-note]");
const pause = document.querySelector("[data-feed-pause]");

let state = "idle";
let paused = false;
let waiting = []; // newest first

const WORDS = { live: "Live", lost: "Connection lost, retrying", paused: "Paused", idle: "Connecting" };

function showState() {
  const shown = paused && state === "live" ? "paused" : state;
  chip.hidden = false;
  chip.dataset.liveState = shown;
  const words = chip.querySelector("[data-live-words]");
  if (words.textContent !== WORDS[shown]) words.textContent = WORDS[shown];
}

/** A part of the page that htmx asks for again on the event `refresh`. */
class Part {
  /** @param {string} id @param {number} every milliseconds */
  constructor(id, every) {
    this.element = document.getElementById(id);
    this.every = every;
    this.wanted = false;
    this.began = 0;
    this.element.addEventListener("htmx:finally:request", () => this.finish());
    setInterval(() => document.hidden || this.refresh(), Math.max(every, STATE_EVERY_MS));
  }

  refresh() {
    if (this.timer || this.began) return void (this.wanted = true);
    this.wanted = false;
    this.began = performance.now();
    this.element.dispatchEvent(new Event("refresh"));
  }

  finish() {
    const took = performance.now() - this.began;
    this.began = 0;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.wanted) this.refresh();
    }, Math.max(this.every, took * RESTS_PER_ANSWER));
  }
}

const figures = new Part("figures", FIGURES_EVERY_MS);
const health = new Part("state", STATE_EVERY_MS);

/** The first event of all: the instructions have done their work. */
function begin() {
  if (page.dataset.began === "yes") return;
  page.dataset.began = "yes";
  document.querySelector("[data-first-steps]")?.remove();
  health.refresh();
}

function showWaiting() {
  if (paused) {
    note.textContent = waiting.length ? `${waiting.length} new since the pause` : "";
    return;
  }
  if (!waiting.length) return;
  const added = feed.add(waiting);
  waiting = [];
  if (!added) return;
  document.querySelector(".feed-empty").hidden = true;
  begin();
  figures.refresh();
}

// The first event shows at once; what follows closely is gathered, so that a flood costs a few drawings.
let gathering = 0;
function take(events) {
  waiting = [...events, ...waiting].slice(0, MOST_WAITING);
  if (gathering) return;
  showWaiting();
  gathering = setTimeout(() => {
    gathering = 0;
    showWaiting();
  }, GATHER_MS);
}

// Whatever came between the drawing of the page and the connection, or while it was lost.
async function refill() {
  try {
    const answer = await fetch(`/app/events.json?limit=${REFILL_ROWS}`, { headers: { accept: "application/json" } });
    if (answer.status === 401) return location.reload();
    if (answer.ok) take((await answer.json()).items);
  } catch {
    // The connection itself says that it is lost, and asks again.
  }
}

live.addEventListener("event", ({ detail }) => take([detail]));
live.addEventListener("joined", refill);
live.addEventListener("state", ({ detail }) => {
  state = detail;
  showState();
});
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  for (const side of pause.querySelectorAll("[data-when]")) side.hidden = (side.dataset.when === "paused") !== paused;
  note.textContent = "";
  showWaiting();
  showState();
});
pause.hidden = false;
showState();
live.open();
