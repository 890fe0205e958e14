// The full file, and one visitor on several domains besides (option `link`).

import { startFromTag } from "./core.js";
import { WATCHERS } from "./capture/watchers.js";
import { watchLinks } from "./links.js";

startFromTag({ link: watchLinks, ...WATCHERS });
