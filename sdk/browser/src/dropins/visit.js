// What a drop-in may keep and send, by the rules of the browser script (consent.js): an answer or an
// opt-out that the visitor has given to that script on this site holds here too, and so does Global
// Privacy Control. Read once per page; the drop-ins have no call to change it.

import { attempt } from "../guard.js";
import { allowStorage, readStorage, writeStorage } from "../store.js";

const answer = readStorage("tw_consent");

/** Nothing is recorded. */
export const denied = !!readStorage("tw_out") || answer === "denied";

/** No id is sent or kept, and nobody is identified. */
export const cookieless = !!navigator.globalPrivacyControl || answer === "cookieless";

/** Ids may be kept. */
export const mayKeep = !denied && !cookieless;

/** The server's consent policy asks which country's rules hold. */
export const timeZone = attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone);

/** @param {string[]} names what earlier pages kept; it goes when nothing may be kept any more */
export function openStorage(...names) {
  allowStorage(mayKeep);
  if (!mayKeep) names.forEach((name) => writeStorage(name, ""));
}
