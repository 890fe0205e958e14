// Who is visiting: the anonymous id of this browser and the id of this session.
//
// With Global Privacy Control on, nothing is stored, what an earlier visit stored is removed, and
// no id is sent. A browser that stores nothing for other reasons gets no id either: an id that
// is new on every page would make one visitor look like many.

import { makeUuid } from "./uuid.js";

const VISITOR = "tw_aid";
const SESSION = "tw_sid";
const COOKIE_SECONDS = 400 * 24 * 3600; // the longest that browsers allow
const SESSION_IDLE_MS = 30 * 60 * 1000;

export const cookieless = navigator.globalPrivacyControl === true;

/**
 * @param {string} name
 * @returns {string} "" where storage is denied, as in a sandboxed frame
 */
function readStorage(name) {
  try {
    return localStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

/** @param {string} name @param {string} value "" removes it */
function writeStorage(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    // Denied or full: the cookie may still work.
  }
}

function readCookie() {
  try {
    return /(?:^|; )tw_aid=([\w-]+)/.exec(document.cookie)?.[1] || "";
  } catch {
    return "";
  }
}

/** @param {string} value "" removes it */
function writeCookie(value) {
  try {
    const age = value ? COOKIE_SECONDS : 0;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${VISITOR}=${value}; Max-Age=${age}; Path=/; SameSite=Lax${secure}`;
  } catch {
    // Denied: localStorage may still work.
  }
}

/** @returns {string} the id of this browser, "" when it may not or cannot be kept */
export function readAnonymousId() {
  if (cookieless) {
    forgetVisitor();
    return "";
  }
  const id = readCookie() || readStorage(VISITOR) || makeUuid(Date.now());
  writeCookie(id);
  writeStorage(VISITOR, id);
  return readCookie() || readStorage(VISITOR);
}

/**
 * The session goes on until nothing was recorded for 30 minutes; every tab shares it.
 *
 * @param {number} now milliseconds since 1970
 * @returns {string} "" when it may not or cannot be kept
 */
export function touchSession(now) {
  if (cookieless) return "";
  const [kept, last] = readStorage(SESSION).split(" ");
  const id = kept && now - Number(last) < SESSION_IDLE_MS ? kept : makeUuid(now);
  writeStorage(SESSION, `${id} ${now}`);
  return readStorage(SESSION) && id;
}

function forgetVisitor() {
  if (readCookie()) writeCookie("");
  writeStorage(VISITOR, "");
  writeStorage(SESSION, "");
}
