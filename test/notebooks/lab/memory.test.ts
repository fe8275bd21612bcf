/** @file Memory that the browser refuses: one sentence, and the runs are as they were. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sentenceOf } from "../../../notebooks/lab/engine/refusal.ts";
import type { Engine } from "../../../notebooks/lab/engine/types.ts";
import { controlsOf, given, refusal, startedEngine, steps } from "./support.ts";

const memory = suite<{ engine: Engine }>("the lab without memory");
memory.before(async (context) => {
  context.engine = await startedEngine();
});

/**
 * What `act` returns while only `left` more arrays of 512 numbers or more can be made.
 */
async function withArrays<T>(
  left: number,
  act: () => Promise<T>,
): Promise<{ result: T; isRefused: boolean }> {
  const whole = globalThis.Float32Array;
  let isRefused = false;
  globalThis.Float32Array = new Proxy(whole, {
    construct(target, [first, ...rest], newTarget) {
      if (typeof first === "number" && first >= 512 && left-- <= 0) {
        isRefused = true;
        throw new RangeError("Array buffer allocation failed"); // as V8 says it
      }
      return Reflect.construct(
        target,
        [first, ...rest],
        newTarget === globalThis.Float32Array ? target : newTarget,
      );
    },
  });
  try {
    return { result: await act(), isRefused };
  } finally {
    globalThis.Float32Array = whole;
  }
}

const SENTENCE =
  /The browser gave no more memory, not even [\d.]+ MiB; close a run or take a smaller rank\.$/;

memory("a run that cannot be opened leaves the others as they are", async ({ engine }) => {
  const alone = given(await engine.open(controlsOf("lora"))).id;
  const losses = (await steps(engine, alone, 4)).map(({ loss }) => loss);
  const { id } = given(await engine.open(controlsOf("lora")));
  const first = (await steps(engine, id, 2)).map(({ loss }) => loss);
  let refused = 0;
  for (let left = 0; left < 40; left += 5) {
    const { result, isRefused } = await withArrays(left, () => engine.open(controlsOf("dora", { rank: 8 })));
    if (isRefused) {
      assert.match(refusal(result), SENTENCE);
      refused++;
    } else await engine.close(given(result).id);
  }
  assert.ok(refused > 1, `${refused} times`);
  assert.equal([...first, ...(await steps(engine, id, 2)).map(({ loss }) => loss)], losses);
  await engine.close(alone);
  await engine.close(id);
});

memory(
  "a step that gets no memory is taken again, or ends the run: never is half of one kept",
  async ({ engine }) => {
    const alone = given(await engine.open(controlsOf("lora"))).id;
    const losses = (await steps(engine, alone, 3)).map(({ loss }) => loss);
    await engine.close(alone);
    const seen = { again: 0, ended: 0 };
    for (const left of [0, 1, 2, 4, 8, 12, 16, 24, 32]) {
      const { id } = given(await engine.open(controlsOf("lora")));
      const { result, isRefused } = await withArrays(left, () => engine.step(id));
      const taken = "refused" in result ? [] : [given(result).stepped.loss];
      if (isRefused) assert.match(refusal(result), SENTENCE);
      const next = await engine.step(id);
      if ("refused" in next) {
        assert.is(next.refused, refusal(result));
        seen.ended++;
      } else {
        taken.push(next.stepped.loss, ...(await steps(engine, id, 2 - taken.length)).map(({ loss }) => loss));
        assert.equal(taken, losses, `${left} arrays left`);
        if (isRefused) seen.again++;
      }
      await engine.close(id);
    }
    assert.ok(seen.again > 0 && seen.ended > 0, JSON.stringify(seen));
  },
);

memory("browsers' words for it become one sentence", () => {
  for (const words of [
    "Array buffer allocation failed",
    "Invalid array buffer length",
    "Invalid typed array length: 4294967296",
    "out of memory",
  ])
    assert.match(
      sentenceOf(new RangeError(words)),
      /^The browser gave no more memory \([^;]*\); close a run or take a smaller rank\.$/,
    );
});

memory.run();
