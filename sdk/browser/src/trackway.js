// The full file: the core with the automatic capture. `trackway.core.js` is the same without it.

import { startFromTag } from "./core.js";
import { WATCHERS } from "./capture/watchers.js";

startFromTag(WATCHERS);
