/** @param {Uint8Array} bytes @returns {string} two hex digits for each */
export const toHex = (bytes) => Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join("");
