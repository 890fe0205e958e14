// The core alone: ids, sessions, consent, delivery and the calls; nothing is recorded by itself.

import { startFromTag } from "./core.js";

startFromTag({});
