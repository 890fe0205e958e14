// The full file, and besides: played media, touches, widgets, guesses of commerce, one visitor on
// several domains (option `link`).

import { ALL } from "./capture/all.js";
import { startFromTag } from "./core.js";

startFromTag(ALL);
