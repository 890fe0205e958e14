// orb("config", …) and orb("track", …) as Orbee's documentation has them, posting to the event
// endpoint, whose body is documented, with the visitor's id: so an event of a back end with the same
// instance id meets the visitor.
//
// An implementation of our own: the wire of Orbee's script is not documented.

/** @import { OrbCall, OrbeeEvent, OrbeeTarget } from "./dropins.d.ts" */

import { copyProperties } from "../calls.js";
import { openDelivery } from "../delivery.js";
import { guard, warn } from "../guard.js";
import { makeUuid } from "../uuid.js";
import { keepAnonymousId, touchSession } from "../visitor.js";
import { cookieless, denied, timeZone } from "./visit.js";

guard(() => {
  const tag = /** @type {HTMLScriptElement | null} */ (
    document.currentScript || document.querySelector('script[src*="/js/orbee."]')
  );
  if (!tag) return warn("found no script tag of orbee.js");
  /** @type {Record<string, any>} */
  const globals = window;
  const name = globals.orbObject || "orb";
  const early = globals[name]?.q || [];
  if (!Array.isArray(early)) return warn(name + "() is on this page already");
  const { tracker } = tag.dataset;
  /** @type {OrbeeTarget[]} */
  const targets = [];

    /** @param {unknown} token @param {unknown} options */
  function configure(token, options) {
    const place = tracker || String(token);
    if (!/^[^/]+\/[^/]+$/.test(place)) return warn("config needs ACCOUNT/TRACKER, here or as data-tracker");
    const path = place.split("/").map(encodeURIComponent).join("/");
    const { namespace, vendor = "Website", product = "orb" } = copyProperties(options);
    targets.push({
      token,
      namespace,
      extra: { vendor, product },
      deliver: openDelivery(
        new URL(`/collect/${path}/event`, tag?.src),
        `${path} ${token}`,
        ([event]) => JSON.stringify(event),
        1,
      ),
    });
  }

  /** @param {unknown} label @param {unknown} fields @param {number} at */
  function record(label, fields, at) {
    const { namespaces, token, targets: _, instanceID, instanceId = instanceID, ...said } = copyProperties(fields);
    if (!said.action || !said.object) return warn(`orb("track") needs action and object`);
    if (denied) return;
    const key = makeUuid(at);
    const session = touchSession();
    /** @type {OrbeeEvent} */
    const event = {
      url: location.href,
      referrer: document.referrer || undefined,
      ...said,
      label,
      // The endpoint takes no event without one. Without an id of the visitor it would lead to whom the back end knows.
      instance_id: (!cookieless && (said.instance_id || instanceId)) || key,
      occurred_at: new Date(at).toISOString(),
      dedupe_key: key,
      time_zone: timeZone || undefined,
    };
    if (session) Object.assign(event, { visitor_id: keepAnonymousId(), session_id: session });
    if (!targets.length) configure(token, {});
    for (const target of targets) {
      if (token && token !== target.token) continue;
      if (namespaces && !(/** @type {unknown[]} */ ([namespaces]).flat().includes(target.namespace))) continue;
      target.deliver({ ...target.extra, ...event });
    }
  }

  /** @type {(call: OrbCall) => void} */
  const push = guard((call) => {
    const [command, first, second] = call;
    if (command === "config") configure(first, second);
    else if (command === "track") record(first, second, call.when || Date.now());
    else warn(`orb() knows "config" and "track", not "${command}"`);
  });
  globals[name] = Object.assign((/** @type {[any, any, any]} */ ...call) => push(call), { q: { push } });
  early.forEach(push);
})();
