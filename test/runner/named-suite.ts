/** @file What stands in for uvu's `suite` under --grep: tests without the text in their name are left out. */

import { writeSync } from "node:fs";
import { type Test, suite as uvuSuite } from "uvu";

const text = process.env.LOWRANK_TEST_GREP?.toLowerCase() ?? "";
const leftOut: string[] = [];

/** As uvu's. A suite all of whose tests are left out does not run, nor do its hooks. */
export function suite<T>(name = "", state?: T): Test<T> {
  const real = uvuSuite(name, state);
  let any = false;
  const chosen = (title: string): boolean => {
    const holds = `${name}: ${title}`.toLowerCase().includes(text);
    if (holds) any = true;
    else leftOut.push(`${name}: ${title}`);
    return holds;
  };
  const test = (title: string, handler: Parameters<Test<T>>[1]): void => {
    if (chosen(title)) real(title, handler);
  };
  return Object.assign(test, {
    before: real.before,
    after: real.after,
    only: (title: string, handler: Parameters<Test<T>>[1]): void => {
      if (chosen(title)) real.only(title, handler);
    },
    skip: (title: string): void => {
      if (chosen(title)) real.skip(title);
    },
    run: (): void => {
      if (any) real.run();
    },
  }) as Test<T>;
}

export const test = suite();

process.on("exit", () => writeSync(1, `\nLeft out: ${JSON.stringify(leftOut)}\n`));
