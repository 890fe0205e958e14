// Tracify's hash of a mail address and the like, for pages that must not send it in clear.

import { warn } from "./guard.js";

/**
 * SHA-256 in hex without its last five digits, hashed once more. The value is taken as it is.
 * Browsers offer `crypto.subtle` on secure pages only (HTTPS, localhost): elsewhere the hash is "".
 *
 * @param {unknown} value
 * @returns {Promise<string>}
 */
export async function hash(value) {
  if (!globalThis.crypto?.subtle) {
    warn("hash() needs a secure page (HTTPS)");
    return "";
  }
  return digest((await digest(String(value))).slice(0, -5));
}

/** @param {string} text */
async function digest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => (byte + 256).toString(16).slice(1)).join("");
}
