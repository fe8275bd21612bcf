/** @file Warnings: each once, on the console, nowhere, or where a handler takes them. */

import { ArgumentError, setWarnings, warn } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("warnings");

test("each is said once; false silences, and what was not said is said later; a handler hears", () => {
  const heard: string[] = [];
  const { warn: say } = console;
  console.warn = (text: string) => heard.push(text);
  try {
    warn("first of the test");
    warn("first of the test");
    const before = setWarnings(false);
    assert.is(before, true);
    warn("second of the test");
    assert.equal(heard, ["lowrank: first of the test"]);
    assert.is(
      setWarnings((message) => heard.push(message)),
      false,
    );
    warn("second of the test");
    warn("second of the test");
    assert.type(setWarnings(before), "function");
    warn("third of the test");
    assert.equal(heard.slice(1), ["second of the test", "lowrank: third of the test"]);
  } finally {
    console.warn = say;
    setWarnings(true);
  }
  assert.throws(
    () => setWarnings("off" as never),
    (error: Error) => error instanceof ArgumentError && /true, false or a function/.test(error.message),
  );
});

test.run();
