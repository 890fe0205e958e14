import type { PageState, Properties, TrackedEvent } from "../types.d.ts";

/** What the watchers tell each other. */
export interface Page extends PageState {
  /** The newest page view: what is left when the page is. */
  view_?: TrackedEvent;
  /** A script changes the address. */
  end_?: () => void;
  /** A page view was recorded, and may get more context. */
  begin_?: (view: TrackedEvent) => void;
  /** Guesses what the page is for. */
  guess_?: () => void;
}

/** A chat or the like, as `trackway.widget(name)` gives it. */
export interface Widget {
  opened: (properties?: Properties) => TrackedEvent;
  closed: (properties?: Properties) => TrackedEvent;
  message: (properties?: Properties) => TrackedEvent;
  cta: (properties?: Properties) => TrackedEvent;
}
