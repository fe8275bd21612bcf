/** @file Page files in a browser, which has none: opening one is refused. */

import { LowrankError } from "../../core/index.ts";
import type * as node from "./pages.node.ts";

export type { PageFile } from "./pages.node.ts";

export const openPageFile: typeof node.openPageFile = () => {
  throw new LowrankError(
    "PagedAdamW: a browser has no files to page to; use AdamW8bit, or pass an openFile of your own",
  );
};

export const removeStale: typeof node.removeStale = () => [];
