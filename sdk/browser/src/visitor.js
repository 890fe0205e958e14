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

const readKept = () => readCookie() || readStorage(VISITOR);

/**
 * In a cookie on the widest domain, mirrored in localStorage: one restores the other. Read each time,
 * since another tab may have had a reset.
 *
 * @param {string} [id] to keep from now on
 * @returns {string} the id of this browser, "" when it may not or cannot be kept
 */
export const keepAnonymousId = (id = readKept() || makeUuid(Date.now())) => {
  writeCookie(id);
  writeStorage(VISITOR, id);
  return readKept();
};

/** @returns {string | undefined} where this page's visitor came from by the address: its campaign parameters and click ids */
export const readCampaign = () => location.search.match(CAMPAIGN)?.join("&");

/**
 * The session goes on until nothing was recorded for 30 minutes, for 24 hours at most, and ends
 * when another campaign brings the visitor. Every tab shares it.
 *
 * @param {string} [campaign] of a page that was just entered
 * @returns {string} "" when it may not or cannot be kept
 */
export const touchSession = (campaign) => {
  const now = Date.now();
  /** @type {any[]} */
  const [found, last, from = ""] = readStorage(SESSION).split(" ");
  // A UUIDv7 begins with the moment it was made at, in units of 65,536 ms.
  const goesOn =
    now - last < IDLE_MS &&
    now - parseInt(found, 16) * 65_536 < LONGEST_MS &&
    (!campaign || from === campaign);
  const id = goesOn ? found : makeUuid(now);
  writeStorage(SESSION, `${id} ${now} ${campaign || from}`);
  return readStorage(SESSION) && id;
};

/** Ids, session, what waits on disk: all but the visitor's own answers (consent, opt-out). */
export const forgetVisitor = () => {
  writeCookie("");
  for (const name of listStorage("tw_")) writeStorage(name, "");
};
