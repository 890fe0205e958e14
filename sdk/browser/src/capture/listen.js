// How the watchers hear of what happens in the page.

import { guard } from "../guard.js";

/**
 * In the capture phase of the window: before the page, which may stop an event, and before the
 * delivery, which sends what is there when the page goes away. `data-no-track` on an element
 * silences all that happens inside it.
 *
 * @param {string} types with blanks between
 * @param {(event: any, find: (selector: string) => any) => unknown} heard `find` gives the innermost element
 *   around what happened that matches, through open shadow roots
 */
export const listen = (types, heard) => {
  for (const type of types.split(" ")) {
    addEventListener(
      type,
      guard((/** @type {Event} */ event) => {
        /** @param {string} selector */
        const find = (selector) => event.composedPath().find((/** @type {any} */ node) => node.matches?.(selector));
        if (!find("[data-no-track]")) heard(event, find);
      }),
      true,
    );
  }
};
