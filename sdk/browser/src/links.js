// One visitor on several domains of a site owner: links between them carry the anonymous id.
//
// Whoever passes a link on passes the id on. So it counts for two minutes, and only when the page
// that led here is of a named domain itself. It is in the fragment, which goes to no server.

/** @import { Watcher } from "./types.d.ts" */

import { listen } from "./capture/listen.js";
import { attempt } from "./guard.js";
import { mayKeep } from "./consent.js";
import { keepAnonymousId } from "./visitor.js";

const VALID_MS = 120_000;

/**
 * Adopts the id that this page's address carries and takes it out of the address; puts it into links.
 *
 * @type {Watcher} option `link`: names of domains, with their subdomains, separated by commas or blanks
 */
export function watchLinks(_record, { link }) {
  /** @param {string} url */
  const isLinked = (url) => attempt(() => link.split(/[\s,]+/).some((/** @type {string} */ name) => ("." + new URL(url).hostname).endsWith("." + name)));

  const [before, id, at] = location.href.split(/#?tw_link=([\w-]+)\.(\d+)$/);
  if (id) {
    if (isLinked(document.referrer) && Date.now() - /** @type {any} */ (at) < VALID_MS) keepAnonymousId(id);
    attempt(() => history.replaceState(history.state, "", before));
  }

  // After the other watchers, so that no recorded click holds the id.
  setTimeout(() =>
    listen("click auxclick", (_event, find) => {
      const anchor = find("a");
      if (!anchor || !mayKeep() || anchor.host === location.host || !isLinked(anchor.href)) return;
      const { href, hash } = anchor;
      anchor.href = `${href}${hash ? "" : "#"}tw_link=${keepAnonymousId()}.${Date.now()}`;
      // The browser has gone by then; the page gets its own link back.
      setTimeout(() => (anchor.href = href));
    }),
  );
}
