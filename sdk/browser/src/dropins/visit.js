// What a drop-in may keep and send, by the rules of the browser script (consent.js): an answer or an
// opt-out that the visitor has given to that script on this site holds here too, and so does Global
// Privacy Control. Read once per page; the drop-ins have no call to change it.

import { startConsent, state } from "../consent.js";
import { attempt } from "../guard.js";

startConsent("");

/** Nothing is recorded. */
export const denied = state === "denied";

/** No id is sent or kept, and nobody is identified. */
export const cookieless = state === "cookieless";

/** The server's consent policy asks which country's rules hold. */
export const timeZone = attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
