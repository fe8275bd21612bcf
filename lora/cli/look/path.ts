/** @file The path that a command looks at: of a file or folder, or of a model in the Hub's cache. */

import { exists, LowrankError } from "../../../core/index.ts";
import { resolveFolder } from "../hub/index.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** The path itself, or the folder of ORG/NAME in the Hub's cache. @throws LowrankError when there is neither */
export function pathOf(given: string, { io }: Terminal): string {
  if (exists(given)) return given;
  if (!/^[^/.][^/]*\/[^/]+$/.test(given)) throw new LowrankError(`there is no file or folder ${given}`);
  return resolveFolder(given, { who: "path", env: io.env });
}
