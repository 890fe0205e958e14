// Ids that sort by time: UUIDv7 (RFC 9562).

import { attempt } from "./guard.js";
import { toHex } from "./hex.js";

/**
 * @param {number} now milliseconds since 1970
 * @returns {string}
 */
export const makeUuid = (now) => {
  const digits = [..."0" + now.toString(16) + attempt(() => toHex(crypto.getRandomValues(new Uint8Array(9))))];
  // 7 is the version, 8 the variant. Without crypto in this page: the ids need to differ, not to be secret.
  return "xxxxxxxx-xxxx-7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => digits.shift() || Math.random().toString(16)[2]);
};
