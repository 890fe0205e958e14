// Who is visiting: the anonymous id of this browser and the id of this session.
//
// A browser that may or can store nothing gets no ids: an id that is new on every page would make
// one visitor look like many.

import { listStorage, readCookie, readStorage, writeCookie, writeStorage } from "./store.js";
import { makeUuid } from "./uuid.js";

const VISITOR = "tw_aid";
const SESSION = "tw_sid";
const IDLE_MS = 30 * 60_000;
const LONGEST_MS = 24 * 3600_000;
const CAMPAIGN = /\b([um]tm_|trc_|\w+clk?id=|li_fat_id=)[^&]+/g;

let kept = "";

const readKept = () => readCookie(VISITOR) || readStorage(VISITOR);

/**
 * In a cookie on the widest domain, mirrored in localStorage: one restores the other.
 *
 * @returns {string} the id of this browser, "" when it may not or cannot be kept
 */
export const readAnonymousId = () => {
  // Read each time: another tab may have had a reset.
  const found = readKept();
  if (!found || found !== kept) keepAnonymousId(found || makeUuid(Date.now()));
  return kept;
};

/** @param {string} id */
export const keepAnonymousId = (id) => {
  writeCookie(VISITOR, id);
  writeStorage(VISITOR, id);
  kept = readKept();
};

/** @returns {string} where this page's visitor came from by the address: its campaign parameters and click ids */
export const readCampaign = () => (location.search.match(CAMPAIGN) || []).join("&");

/**
 * The session goes on until nothing was recorded for 30 minutes, for 24 hours at most, and ends
 * when another campaign brings the visitor. Every tab shares it.
 *
 * @param {number} now milliseconds since 1970
 * @param {string} campaign of a page that was just entered, else ""
 * @returns {string} "" when it may not or cannot be kept
 */
export const touchSession = (now, campaign) => {
  const [found = "", last, from = ""] = readStorage(SESSION).split(" ");
  // A UUIDv7 begins with the moment it was made at.
  const begun = parseInt(found.replace("-", "").slice(0, 12), 16);
  const goesOn =
    now - /** @type {any} */ (last) < IDLE_MS && now - begun < LONGEST_MS && (!campaign || campaign === from);
  const id = goesOn ? found : makeUuid(now);
  writeStorage(SESSION, `${id} ${now} ${campaign || from}`);
  return readStorage(SESSION) && id;
};

/** Ids, session, what waits on disk: all but the visitor's own answers (consent, opt-out). */
export const forgetVisitor = () => {
  writeCookie(VISITOR, "");
  for (const name of listStorage("tw_")) if (!/^tw_(consent|out)$/.test(name)) writeStorage(name, "");
  kept = "";
};
