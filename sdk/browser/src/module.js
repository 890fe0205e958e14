// The same script for bundlers: `import { init } from "@trackway/browser"`. Nothing happens before
// `init`, so that importing it on a server is safe.

/** @import { Options, Trackway } from "./types.d.ts" */

import { ALL } from "./capture/all.js";
import { startFromOptions } from "./core.js";

/**
 * @param {Options & {key: string, endpoint: string}} options
 * @returns {Trackway | undefined} also the global `trackway`
 */
export function init(options) {
  startFromOptions(options, ALL);
  return /** @type {Trackway | undefined} */ (window.trackway);
}
