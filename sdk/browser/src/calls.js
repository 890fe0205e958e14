// The arguments of the public calls.

/** @import { Properties } from "./types.d.ts" */

/** @param {unknown} value @returns {value is Properties} */
export const isObject = (value) => /** @type {any} */ (value) && typeof value === "object" && !Array.isArray(value);

/**
 * @template T
 * @param {T} value
 * @returns {T} a copy: what the page changes later does not change what happened
 */
export const copy = (value) => JSON.parse(JSON.stringify(value));

/**
 * @param {unknown} properties
 * @returns {Properties} a copy of them
 */
export const copyProperties = (properties) => (isObject(properties) ? copy(properties) : {});
