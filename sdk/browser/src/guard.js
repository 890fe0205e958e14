// The script never throws into the page: a failure of ours ends in the console.

/** @param {string} message */
export function warn(message) {
  console.warn("trackway: " + message);
}

/**
 * @template {unknown[]} A
 * @param {(...args: A) => void} task
 * @returns {(...args: A) => void} the same, but it cannot fail
 */
export function guard(task) {
  return (...args) => {
    try {
      task(...args);
    } catch (error) {
      warn(String(error));
    }
  };
}
