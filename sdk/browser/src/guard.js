// The script never throws into the page: a failure of ours ends in the console.

/** @param {unknown} message */
export const warn = (message) => console.warn("trackway:", message);

/**
 * @template T
 * @param {() => T} task what a browser may deny
 * @param {(error: unknown) => void} [failed]
 * @returns {NonNullable<T> | ""} "" when it does
 */
export const attempt = (task, failed) => {
  try {
    return task() || "";
  } catch (error) {
    failed?.(error);
    return "";
  }
};

/**
 * @template {unknown[]} A
 * @template T
 * @param {(...args: A) => T} task
 * @returns {(...args: A) => NonNullable<T> | ""} the same, but it cannot fail
 */
export const guard =
  (task) =>
  (...args) =>
    attempt(() => task(...args), warn);
