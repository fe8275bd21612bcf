/** @file Loaded before a test file under --grep: `import … from "uvu"` gives it the suite of named-suite.ts. */

import * as module from "node:module";

type Next = (specifier: string, context: object) => module.ResolveFnOutput;

const named = new URL("./named-suite.ts", import.meta.url).href;

const resolve = (specifier: string, context: { readonly parentURL?: string }, next: Next) =>
  next(specifier === "uvu" && !context.parentURL?.startsWith(named) ? named : specifier, context);

if (typeof module.registerHooks === "function") module.registerHooks({ resolve });
else {
  // Node before 22.15: hooks are a module, in a thread of their own.
  const source = `const named = ${JSON.stringify(named)}; export const resolve = ${resolve};`;
  module.register(`data:text/javascript,${encodeURIComponent(source)}`);
}
