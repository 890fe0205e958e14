/** One event as the script sends it: the fields of Trackway's native protocol that a browser fills. */
export interface TrackedEvent {
  event_type: string;
  dedupe_key: string;
  /** Milliseconds since 1970. */
  occurred_at: number;
  anonymous_id?: string | undefined;
  session_id?: string | undefined;
  user_id?: string | undefined;
  account_id?: string | undefined;
  identifiers?: Record<string, string[]> | undefined;
  instance_id?: string | number | undefined;
  consent?: Properties | undefined;
  traits?: Properties | undefined;
  account_traits?: Properties | undefined;
  url: string;
  referrer: string;
  title: string;
  properties: Properties;
  context: Properties & { consent_state: ConsentState };
}

/** Any JSON object. */
export type Properties = Record<string, unknown>;

/** Makes an event out of the page as it is now and hands it to the delivery; returns it. */
export type RecordEvent = (
  eventType: string,
  properties: Properties,
  extra?: Partial<TrackedEvent>,
  at?: number,
) => TrackedEvent;

/** What the tag's data-* attributes or `init` said. */
export type Options = Record<string, any>;

/** What every event says of the page; a watcher may change it. */
export interface PageState {
  referrer: string;
  /** An address as the site wants it recorded (option `scrub`). */
  scrub: (url: string) => string;
}

/** One kind of automatic capture: watches the page and records what it sees. */
export type Watcher = (record: RecordEvent, options: Options, page: PageState) => void;

/** Under which consent an event was captured. */
export type ConsentState = "unknown" | "granted" | "denied" | "pending" | "cookieless";

/** A call made before the script had loaded: ["track", "signup", {plan: "growth"}]; `when` is the moment. */
export type EarlyCall = [method: string, ...args: unknown[]] & { when?: number };

/** What any call takes besides its own arguments. */
export interface CallOptions {
  instance_id?: string | number;
}
export type Callback = () => void;

/** A chat or the like. Of a message only what is passed on here is sent. */
export interface Widget {
  opened(properties?: Properties): void;
  closed(properties?: Properties): void;
  message(properties?: Properties): void;
  cta(properties?: Properties): void;
}

/** The global `trackway`. Options and callback may be left out, as may what stands before them. */
export interface Trackway {
  version: string;
  track(eventType: string, properties?: Properties | null, options?: CallOptions, callback?: Callback): void;
  page(properties?: Properties, options?: CallOptions, callback?: Callback): void;
  page(name: string, properties?: Properties, options?: CallOptions, callback?: Callback): void;
  page(category: string, name: string, properties?: Properties, options?: CallOptions, callback?: Callback): void;
  identify(userId: string | number | null, traits?: Properties, options?: CallOptions, callback?: Callback): void;
  identify(traits: Properties, options?: CallOptions, callback?: Callback): void;
  group(accountId: string | number, traits?: Properties, options?: CallOptions, callback?: Callback): void;
  /** Without `previousId`: of the user whom this page has identified, else of the visitor. */
  alias(userId: string | number, previousId?: string | number, options?: CallOptions, callback?: Callback): void;
  set(traits: Properties, options?: CallOptions, callback?: Callback): void;
  reset(): void;
  consent(states: Properties | ConsentState): void;
  optOut(): void;
  optIn(): void;
  /** Not with `widgets` off, and not before the script has loaded. `id` is the conversation's; else there is one for each session. */
  widget?(name: string, id?: string | number): Widget;
  hash(value: string): Promise<string>;
  push(call: EarlyCall): void;
}

/** A kind of capture is on unless it is "off" or false. */
export type Switch = "on" | "off" | boolean;

/** What `init` takes: the options of the tag, without `data-`. */
export interface InitOptions {
  key: string;
  endpoint: string;
  consent?: ConsentState;
  /** A function, or the name of a global one. */
  scrub?: string | ((url: string) => string);
  /** Names of the site's domains, separated by commas. */
  link?: string;
  hashes?: "on";
  pages?: Switch;
  leave?: Switch;
  clicks?: Switch;
  forms?: Switch;
  campaigns?: Switch;
  media?: Switch;
  widgets?: Switch;
  commerce?: Switch;
}

/** Starts the script; the same object is the global `trackway`. */
export function init(options: InitOptions): Trackway | undefined;

declare global {

  interface Window {
    trackway?: any;
  }
  interface Navigator {
    readonly globalPrivacyControl?: boolean;
  }
}
