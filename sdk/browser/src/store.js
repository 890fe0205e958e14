// What the script keeps in the browser: localStorage under names that begin with "tw_" (with "tw." the visitor's own answers), and one cookie.
//
// Nothing is written where the state of consent forbids it; removing is always possible. A browser that denies
// either, as in a sandboxed frame, reads as empty.

import { mayKeep } from "./consent.js";
import { attempt } from "./guard.js";

const COOKIE_SECONDS = 34_560_000; // 400 days, the longest that browsers allow

/** @param {string} name @returns {string} "" for nothing */
export const readStorage = (name) => attempt(() => localStorage[name]);

/**
 * @param {string} name
 * @param {any} value of a text; what is empty removes it
 * @param {boolean} [may] the visitor's own answer is kept where nothing else is
 */
export const writeStorage = (name, value, may = mayKeep()) => {
  attempt(() => (value ? may && (localStorage[name] = value) : delete localStorage[name]));
};

/** @param {string} prefix @returns {Iterable<string>} names in localStorage */
export const listStorage = (prefix) =>
  attempt(() => Object.keys(localStorage).filter((name) => name.startsWith(prefix)));

/** @returns {string} the anonymous id, "" for none */
export const readCookie = () => attempt(() => /\btw_aid=([\w-]+)/.exec(document.cookie)?.[1]);

/**
 * Puts it on the widest domain that takes it: `example.co.uk` on `www.shop.example.co.uk`. Only trying
 * tells which that is, since a browser's list of public suffixes cannot be asked. Last comes the host
 * without a domain: Safari has none on `localhost`.
 *
 * @param {string} id "" removes it
 */
export const writeCookie = (id) => {
  attempt(() => {
    const labels = location.hostname.split(".");
    // The number of the first label; -1, which leaves none, is the last that is tried.
    for (let first = labels.length; (mayKeep() || !id) && ~first-- && readCookie() !== id; ) {
      document.cookie =
        `tw_aid=${id};Domain=${labels.slice(first >>> 0).join(".")};Path=/;Max-Age=${id ? COOKIE_SECONDS : 0};SameSite=Lax` +
        // "https:", of all schemes that have cookies.
        (location.protocol > "http:" ? ";Secure" : "");
    }
  });
};
