// The arguments of the public calls: Segment's forms, where what stands in the middle may be left out.

/** @import { Properties } from "./types.d.ts" */

/** @param {unknown} value @returns {value is Properties} */
export const isObject = (value) => !!value && typeof value === "object" && !Array.isArray(value);

/** @param {unknown} value @returns {value is () => void} */
export const isFunction = (value) => typeof value === "function";

/**
 * @param {unknown} properties
 * @returns {Properties} a copy: what the page changes later does not change what happened
 */
export const copyProperties = (properties) => {
  const copy = JSON.parse(JSON.stringify(properties || {}));
  return isObject(copy) ? copy : {};
};

/**
 * `track("identify", {user_id, …traits})`: the id among the properties, taken out.
 *
 * @param {unknown} properties
 * @returns {unknown[]} the arguments of `identify`
 */
export const takeId = (properties) => {
  const { user_id, userId = user_id, ...traits } = copyProperties(properties);
  return [userId, traits];
};
