/** @file In a browser the page shows progress its own way, through `fit`'s `onStep`. */

import type { progressBar as onTerminal } from "./progress.node.ts";

export const progressBar: typeof onTerminal = () => ({ tick() {}, done() {} });
