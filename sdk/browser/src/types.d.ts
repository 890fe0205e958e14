/** One event as the script sends it: the fields of Trackway's native protocol that a browser fills. */
export interface TrackedEvent {
  event_type: string;
  dedupe_key: string;
  occurred_at: string;
  anonymous_id?: string;
  session_id?: string;
  user_id?: string;
  instance_id?: string;
  consent?: Properties;
  traits?: Properties;
  url: string;
  referrer: string;
  title: string;
  properties: Properties;
  context: { screen: string; language: string; time_zone: string };
}

/** Any JSON object. */
export type Properties = Record<string, unknown>;

/** Makes an event out of the page as it is now and hands it to the delivery; returns it. */
export type RecordEvent = (
  eventType: string,
  properties?: unknown,
  at?: number,
  extra?: Partial<TrackedEvent>,
) => TrackedEvent;

/** What the tag's data-* attributes or `init` said. */
export type Options = Record<string, unknown>;

/** What every event says of the page; a watcher may change it. */
export interface PageState {
  referrer: string;
}

/** One kind of automatic capture: watches the page and records what it sees. */
export type Watcher = (record: RecordEvent, options: Options, page: PageState) => void;

/** A call made before the script had loaded: ["track", "signup", {plan: "growth"}]; `when` is the moment. */
export type EarlyCall = [method: string, ...args: unknown[]] & { when?: number };

/** The global `trackway`. */
export interface Trackway {
  version: string;
  track(eventType: string, properties?: Properties, more?: { instance_id?: string | number }): void;
  page(properties?: Properties): void;
  identify(userId: string, traits?: Properties): void;
  consent(states: Properties): void;
  hash(value: string): Promise<string>;
  push(call: EarlyCall): void;
}

declare global {
  /** Put in by the build: the version of package.json. */
  const VERSION: string;

  interface Window {
    trackway?: any;
  }
  interface Navigator {
    readonly globalPrivacyControl?: boolean;
  }
}
