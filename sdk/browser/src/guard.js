// The script never throws into the page: a failure of ours ends in the console.

/** @param {unknown} message */
export const warn = (message) => {
  console.warn("trackway: " + message);
};

/**
 * @template {unknown[]} A
 * @param {(...args: A) => void} task
 * @returns {(...args: A) => void} the same, but it cannot fail
 */
export const guard =
  (task) =>
  (...args) => {
    try {
      task(...args);
    } catch (error) {
      warn(error);
    }
  };

/**
 * @template T
 * @param {() => T} task what a browser may deny
 * @returns {T | ""} "" when it does
 */
export const attempt = (task) => {
  try {
    return task() || "";
  } catch {
    return "";
  }
};
