import type { Properties } from "../types.d.ts";

/** One event in Clarm's shape. */
export interface ClarmEvent {
  event: string;
  properties: Properties;
  dedupe_key: string;
  timestamp: string;
  visitor_id?: string;
  session_id?: string;
  url: string;
  referrer: string;
  title: string;
  context: { time_zone: string };
}

/** A call made before the script had loaded: ["purchase", {amount: 299}]; `when` is the moment. */
export type ClarmCall = [name: unknown, properties?: unknown] & { when?: number };

/** One event in the shape of Orbee's event endpoint. */
export type OrbeeEvent = Properties & { instance_id: unknown };

/** Where events go: one orb("config", …). */
export interface OrbeeTarget {
  token: unknown;
  namespace: unknown;
  extra: Properties;
  deliver: (event: OrbeeEvent) => void;
}

/** A call made before the script had loaded: ["track", "label", {…}]; `when` is the moment. */
export type OrbCall = [command: unknown, first?: unknown, second?: unknown] & { when?: number };

/** One event of a Tracardi payload, with the session in which it happened. */
export interface TracardiEvent {
  id: string;
  type: string;
  time: { create: string };
  properties: Properties;
  context: Properties;
  options?: Properties;
  session: string;
}

/** What `track` resolves to. */
export interface TracardiAnswer {
  status: number;
  data: any;
}

declare global {
  /** The page's own, `const options = {tracker: {…}}`: no property of window. */
  const options: any;

  interface Window {
    ClarmTrack?: any;
    tracker?: any;
    tracardi?: any;
    response?: any;
    onTracardiReady?: any;
  }
}
