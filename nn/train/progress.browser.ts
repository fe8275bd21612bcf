/** @file The browser's place of the progress bar: nothing is shown; a page uses `onStep` of `fit`. */

import type { progressBar as onTerminal } from "./progress.node.ts";

export const progressBar: typeof onTerminal = () => ({ tick() {}, done() {} });
