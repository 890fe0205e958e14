// Tracify's hash of a mail address and the like, for pages that must not send it in clear.

import { toHex } from "./hex.js";

/** @param {any} text */
const digest = async (text) =>
  toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));

/**
 * SHA-256 in hex without its last five digits, hashed once more. The value is taken as it is.
 * Browsers offer `crypto.subtle` on secure pages only (HTTPS, localhost): elsewhere the hash is "".
 *
 * @param {unknown} value
 * @returns {Promise<string>}
 */
export const hash = (value) =>
  digest(value)
    .then((first) => digest(first.slice(0, -5)))
    .catch(() => "");
