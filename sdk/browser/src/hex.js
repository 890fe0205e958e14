/** @param {Uint8Array} bytes @returns {string} two hex digits for each */
export const toHex = (bytes) => [...bytes].map((byte) => (byte + 256).toString(16).slice(1)).join("");
