// The connection to /api/v1/live. Comes back by itself, resumes where it was, rests while nobody
// looks at the page (a browser allows few connections per host, and each open tab would hold one).

const LIVE = "/api/v1/live";
// The page stands in the test space when its root says so.
const SPACE = document.documentElement.dataset.space;
const PATIENCE_MS = 45_000; // three pings of the server
const RETRY_MS = [1000, 2000, 4000, 8000];

export class LiveConnection extends EventTarget {
  /**
   * Events: `event` (detail: the event), `joined` (connected; what came before may have been missed),
   * `state` (detail: "live" or "lost").
   */
  constructor() {
    super();
    this.cursor = "";
    this.failures = 0;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.open()));
  }

  open() {
    if (this.stream || document.hidden) return;
    clearTimeout(this.retry);
    const asked = new URLSearchParams({ ...(SPACE && { workspace: SPACE }), ...(this.cursor && { cursor: this.cursor }) });
    const stream = new EventSource(asked.size ? `${LIVE}?${asked}` : LIVE);
    this.stream = stream;
    const hear = (kind, act) =>
      stream.addEventListener(kind, (message) => {
        if (this.stream !== stream) return;
        this.cursor = message.lastEventId || this.cursor;
        this.failures = 0;
        this.watch();
        act(message);
      });
    const join = () => {
      this.say("live");
      this.dispatchEvent(new Event("joined"));
    };
    hear("ready", join);
    hear("gap", join);
    hear("ping", () => this.say("live"));
    hear("event", (message) => this.dispatchEvent(new CustomEvent("event", { detail: JSON.parse(message.data) })));
    stream.addEventListener("error", () => this.stream === stream && this.reopen());
    this.watch();
  }

  /** A connection that went silent without an error (a sleeping laptop, a proxy) is given up. */
  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.reopen(), PATIENCE_MS);
  }

  reopen() {
    this.rest();
    this.say("lost");
    // A cursor that the server no longer takes must not keep us out.
    if (this.failures >= RETRY_MS.length) this.cursor = "";
    const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.retry = setTimeout(() => this.open(), wait);
  }

  rest() {
    clearTimeout(this.silence);
    clearTimeout(this.retry);
    this.stream?.close();
    this.stream = null;
  }

  /** @param {"live" | "lost"} state */
  say(state) {
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
