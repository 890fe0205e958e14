// Ids that sort by time: UUIDv7 (RFC 9562).

/**
 * @param {number} now milliseconds since 1970
 * @returns {string}
 */
export function makeUuid(now) {
  const bytes = new Uint8Array(16);
  try {
    crypto.getRandomValues(bytes);
  } catch {
    // No crypto in this page: the ids need to differ, not to be secret.
    bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
  }
  const random = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = now.toString(16).padStart(12, "0");
  const variant = "89ab"[/** @type {number} */ (bytes[15]) & 3];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(3, 6)}-${random.slice(6, 18)}`;
}
