// Tracify's hash of a mail address and the like, for pages that must not send it in clear.

import { warn } from "./guard.js";
import { toHex } from "./hex.js";

/**
 * SHA-256 in hex without its last five digits, hashed once more. The value is taken as it is.
 * Browsers offer `crypto.subtle` on secure pages only (HTTPS, localhost): elsewhere the hash is "".
 *
 * @param {unknown} value
 * @returns {Promise<string>}
 */
export const hash = async (value) => {
  try {
    return await digest((await digest(String(value))).slice(0, -5));
  } catch {
    warn("hash() needs a secure page (HTTPS)");
    return "";
  }
};

/** @param {string} text */
const digest = async (text) =>
  toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
