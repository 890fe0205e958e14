// What is recorded without a line of the site's own code: how far videos and sounds were played.

/** @import { Options, RecordEvent } from "../types.d.ts" */
/** @import { Page } from "./capture.d.ts" */

import { listen } from "./listen.js";

/**
 * `video_play` once, `video_progress` with `percent` 25, 50 and 75, `video_complete`; the same with
 * `audio_`. Played again after its end it counts again.
 *
 * @param {RecordEvent} record
 * @param {Options} _options
 * @param {Page} page
 */
export function watchMedia(record, _options, page) {
  /** @type {Record<string, number>} Quarters that are recorded, by address of the medium. */
  const played = {};
  listen("play ended timeupdate", ({ type, target: { localName, id, currentSrc, currentTime, duration } }) => {
    if (!currentSrc) return;
    const src = page.scrub(currentSrc.split(/[?;]/)[0]);
    const quarter = type === "ended" ? 4 : ((4 * currentTime) / duration) | 0;
    const begins = played[src] == null;
    // Progress counts once it was played: a visitor may move the slider before.
    if (begins ? type === "play" : quarter > played[src]) {
      played[src] = quarter;
      record(localName + (begins ? "_play" : quarter > 3 ? "_complete" : "_progress"), { id, src, percent: 25 * quarter });
    }
    if (type === "ended") delete played[src];
  });
}
