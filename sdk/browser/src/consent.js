// Under which state events are captured, and what is written down of it.
//
// unknown     nobody was asked: like granted, and the server's policy decides what is stored
// granted     the visitor agreed
// pending     asked, no answer yet: events wait in memory and nothing is written
// cookieless  no id, nothing written
// denied      nothing is recorded, nothing is kept
//
// The answer itself is kept, one word that names nobody: else the next page would forget the no.
// An opt-out is the visitor's own and stands above whatever the page says.

/** @import { ConsentState } from "./types.d.ts" */

import { readStorage, writeStorage } from "./store.js";
import { forgetVisitor } from "./visitor.js";

const ANSWER = "tw.consent";
const OPT_OUT = "tw.out";

/** @type {ConsentState} */
export let state;
/** @type {ConsentState} */
let answer;
/** @type {any} what is true holds */
let out;

/** @returns {boolean} may ids be made, kept and sent? */
export const mayKeep = () => /known|granted/.test(state);

/** Storage follows the state: open, closed, or closed and emptied. */
const applyState = () => {
  state = out ? "denied" : answer;
  if (/cookieless|denied/.test(state)) forgetVisitor();
  return state;
};

/**
 * @param {any} said a word, or {state: word}
 * @returns {ConsentState | undefined} undefined or "": nothing was said; any word that is not known is a no
 */
export const readAnswer = (said) => {
  said = said?.state ?? said;
  return /^(tru|1|yes|gra|all|acc|conf|opted.in)/.test(said)
    ? "granted"
    : said == null || /^(pending|cookieless|unknown|)$/.test(said)
      ? said
      : "denied";
};

/** @param {unknown} fallback what holds before the visitor has answered: option `consent` */
export const startConsent = (fallback) => {
  out = readStorage(OPT_OUT);
  state = answer = readAnswer(readStorage(ANSWER) || fallback) || "unknown";
  // The browser speaks for the visitor; what is stricter stays.
  if (navigator.globalPrivacyControl && mayKeep()) answer = "cookieless";
  applyState();
};

/**
 * What the visitor has answered in another tab, or on a later page before the browser brought
 * this one back, holds here, too. Looked for at each event: a page that is brought back has heard of nothing meanwhile.
 */
export const followAnswer = () => {
  if ((readStorage(ANSWER) || answer) !== answer || readStorage(OPT_OUT) > out) startConsent(state);
};

/** @param {ConsentState} next */
export const enterState = (next) => {
  answer = next;
  writeStorage(ANSWER, /pending|known/.test(next) ? "" : next, true);
  return applyState();
};

/** @param {number} flag 1, or 0 to come back */
export const optOut = (flag) => {
  out = flag;
  writeStorage(OPT_OUT, flag, true);
  return applyState();
};
