/**
 * @file How a failing property is told, for every test: run.ts loads this file before a test's own. fast-check by itself
 * tells the counterexample but not what failed; here the failed assertion comes first, with its numbers and its place.
 */

import * as fc from "fast-check";

/** What uvu's assertions carry beside a message: a comparison of the two values, and the assertion's name. */
type Failed = Error & { readonly details?: unknown; readonly operator?: string };

/** uvu prints the message, then `details`, then the stack. */
class PropertyFailure extends Error {
  readonly details: unknown;

  constructor(run: fc.RunDetails<unknown>) {
    const cause = run.errorInstance as Failed | undefined;
    const told = fc.defaultReportMessage(run)?.split(/\n\n(?:Hint|Got )/)[0] ?? "";
    const failed = cause && `${cause.name}: ${cause.message}${cause.operator ? ` (${cause.operator})` : ""}`;
    super([failed, ...told.split("\n")].filter(Boolean).join("\n    "));
    this.name = "PropertyFailure";
    this.details = cause?.details;
    const places = cause?.stack?.split("\n").filter((line) => /^\s+at (?!.*node_modules)/.test(line));
    if (places) this.stack = ["", ...places].join("\n");
  }
}

fc.configureGlobal({
  reporter: (run) => {
    if (run.failed) throw new PropertyFailure(run);
  },
});
