/** @file The child process of one notebook, started by parallel.ts, to which it reports. */

import { type RunRequest, type RunResult, runNotebook } from "../notebook/run.ts";
import { report } from "../terminal/errors.ts";
import { silentTerminal, type Terminal } from "../terminal/terminal.ts";
import { endWithParent } from "./interrupt.ts";

/** A message to the parent: a line about the run, and at the end the result or the error. */
export type ChildMessage =
  | { readonly line: string }
  | { readonly result: RunResult }
  | { readonly error: string };

endWithParent();
const send = (message: ChildMessage): void => void process.send?.(message);
const terminal: Terminal = { ...silentTerminal, status: (line) => send({ line }) };

try {
  send({ result: await runNotebook(JSON.parse(process.argv[2]) as RunRequest, terminal) });
} catch (error) {
  send({ error: report(error) });
  process.exitCode = 1;
}
