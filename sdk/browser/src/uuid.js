// Ids that sort by time: UUIDv7 (RFC 9562).

import { attempt } from "./guard.js";
import { toHex } from "./hex.js";

/**
 * @param {number} now milliseconds since 1970
 * @returns {string}
 */
export const makeUuid = (now) => {
  // Without crypto in this page: the ids need to differ, not to be secret.
  const bytes = Uint8Array.from({ length: 10 }, () => Math.random() * 256);
  attempt(() => crypto.getRandomValues(bytes));
  const random = toHex(bytes);
  // 7 is the version, 8 the variant.
  const digits = now.toString(16).padStart(12, "0") + "7" + random.slice(0, 3) + "8" + random.slice(5);
  return digits.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
};
