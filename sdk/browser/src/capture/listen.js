// How the watchers hear of what happens in the page.

import { guard } from "../guard.js";

/**
 * In the capture phase of the window: before the page, which may stop an event, and before the
 * delivery, which sends what is there when the page goes away. `data-no-track` on an element
 * silences all that happens inside it.
 *
 * @param {string} types with blanks between
 * @param {(event: any, path: HTMLElement[]) => void} heard gets the way from the innermost
 *   element outwards, through open shadow roots, to the document and the window
 */
export function listen(types, heard) {
  for (const type of types.split(" ")) {
    addEventListener(
      type,
      guard((/** @type {Event} */ event) => {
        const path = /** @type {HTMLElement[]} */ (event.composedPath());
        if (!path.some((node) => node.matches?.("[data-no-track]"))) heard(event, path);
      }),
      true,
    );
  }
}
