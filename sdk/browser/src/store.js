// What the script keeps in the browser: localStorage and cookies under names that begin with "tw_".
//
// Nothing is written before `allowStorage(true)`; removing is always possible. A browser that denies
// either, as in a sandboxed frame, reads as empty.

import { attempt } from "./guard.js";

const COOKIE_SECONDS = 34_560_000; // 400 days, the longest that browsers allow

let allowed = false;
/** @type {string | undefined} */
let widest;

/** @param {boolean} may */
export const allowStorage = (may) => {
  allowed = may;
};

/** @param {string} name @returns {string} "" for nothing */
export const readStorage = (name) => attempt(() => localStorage.getItem(name) || "");

/**
 * @param {string} name
 * @param {string} value "" removes it
 * @param {boolean} [may] the visitor's own answer is kept where nothing else is
 */
export const writeStorage = (name, value, may = allowed) => {
  attempt(() => (value ? may && localStorage.setItem(name, value) : localStorage.removeItem(name)));
};

/** @param {string} prefix @returns {string[]} names in localStorage */
export const listStorage = (prefix) =>
  attempt(() => Object.keys(localStorage).filter((name) => name.startsWith(prefix))) || [];

/** @param {string} name @returns {string} "" for nothing */
export const readCookie = (name) =>
  attempt(() => ("; " + document.cookie).split(`; ${name}=`)[1]?.split(";")[0] || "");

/** @param {string} name @param {string} value @param {number} seconds @param {string} domain "" is this host only */
export const setCookie = (name, value, seconds, domain) => {
  attempt(() => {
    document.cookie =
      `${name}=${value}; Max-Age=${seconds}; Path=/; SameSite=Lax` +
      (domain && "; Domain=" + domain) +
      (location.protocol === "https:" ? "; Secure" : "");
  });
};

/**
 * The widest domain that takes a cookie of this page: `example.co.uk` on `www.shop.example.co.uk`.
 * Only trying tells it, since a browser's list of public suffixes cannot be asked.
 *
 * @returns {string} "" where there is none: `localhost`, a single label
 */
const findDomain = () => {
  if (widest === undefined) {
    const labels = location.hostname.split(".");
    // A name of its own, since another tab may be trying at the same moment.
    const probe = "tw_" + Math.random();
    widest = "";
    for (let first = labels.length - 1; first-- > 0 && !widest; ) {
      const domain = labels.slice(first).join(".");
      setCookie(probe, "1", 9, domain);
      if (readCookie(probe)) widest = domain;
      setCookie(probe, "", 0, domain);
    }
  }
  return widest;
};

/** @param {string} name @param {string} value "" removes it */
export const writeCookie = (name, value) => {
  if (value ? allowed : readCookie(name)) {
    if (!value) setCookie(name, "", 0, "");
    setCookie(name, value, value ? COOKIE_SECONDS : 0, findDomain());
  }
};
