// The same script for bundlers: `import { init } from "@trackway/browser"`. Nothing happens before
// `init`, so that importing it on a server is safe.

/** @import { InitOptions, Trackway } from "./types.d.ts" */

import { WATCHERS } from "./capture/watchers.js";
import { startFromOptions } from "./core.js";

/**
 * @param {InitOptions} options
 * @returns {Trackway | undefined} also the global `trackway`
 */
export function init(options) {
  startFromOptions(options, WATCHERS);
  return /** @type {Trackway | undefined} */ (window.trackway);
}
