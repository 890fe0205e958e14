import type { PageState, Properties, TrackedEvent } from "../types.d.ts";

/** What the watchers tell each other. */
export interface Page extends PageState {
  /** The newest page view: what is left when the page is. */
  view_?: TrackedEvent;
  /** A script changes the address. */
  end_?: () => void;
  /** A page view is about to leave, with its ids, and may get more context. */
  begin_?: (view: TrackedEvent) => void;
  /** Records a step of the widget that something happened in; nothing where it was in none. */
  tell_?: (find: Find, eventType: string, properties?: Properties) => TrackedEvent | undefined;
}

/** The innermost element around what happened that matches, through open shadow roots. */
export type Find = (selector: string) => any;
