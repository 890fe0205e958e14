// One visitor on several domains of a site owner: links between them carry the anonymous id.
//
// Whoever passes a link on passes the id on. So it counts for two minutes, and only when the page
// that led here is of a named domain itself.

/** @import { Watcher } from "./types.d.ts" */

import { attempt, guard } from "./guard.js";
import { mayKeep } from "./consent.js";
import { keepAnonymousId, readAnonymousId } from "./visitor.js";

const VALID_MS = 120_000;

/**
 * Adopts the id that this page's address carries and takes it out of the address; puts it into links.
 *
 * @type {Watcher} option `link`: names of domains, with their subdomains, separated by commas or blanks
 */
export function watchLinks(_record, options) {
  const names = String(options.link || "").match(/[^\s,]+/g) || [];
  /** @param {string} url */
  const isLinked = (url) =>
    attempt(() => {
      const host = "." + new URL(url).hostname;
      return names.some((name) => host.endsWith("." + name));
    });

  const [found, id = "", at] = /[?&]tw_link=([\w-]+)\.(\d+)/.exec(location.search) || [];
  if (found) {
    if (isLinked(document.referrer) && Math.abs(Date.now() - Number(at)) < VALID_MS) keepAnonymousId(id);
    const [before, after = ""] = location.href.split(found);
    attempt(() => history.replaceState(history.state, "", before + (before?.includes("?") ? after : after.replace("&", "?"))));
  }

  const decorate = guard((/** @type {MouseEvent} */ event) => {
    const link = /** @type {Element} */ (event.composedPath()[0]).closest("a");
    if (!link || !isLinked(link.href) || link.host === location.host || !mayKeep()) return;
    const { href } = link;
    const url = new URL(href);
    url.search += (url.search ? "&" : "?") + `tw_link=${readAnonymousId()}.${Date.now()}`;
    link.href = url.href;
    // The browser has gone by then; the page gets its own link back.
    setTimeout(() => (link.href = href));
  });
  // After the other watchers, so that no recorded click holds the id.
  setTimeout(() => {
    addEventListener("click", decorate, true);
    addEventListener("auxclick", decorate, true);
  });
}
