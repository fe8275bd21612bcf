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
  /The browser gave no more memory(, not even [1-9][\d.]* [KM]iB| \(Array buffer allocation failed\)); remove a run or take a smaller rank\.$/;

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

memory("a merge that gets no memory leaves the run apart", async ({ engine }) => {
  const { id } = given(await engine.open(controlsOf("lora", { format: "nf4", steps: 40 })));
  await steps(engine, id, 1);
  const { safetensors } = given(await engine.adapter(id));
  let refused = 0;
  for (let left = 0; left < 400; left += 1 + Math.floor(left / 2)) {
    const { result, isRefused } = await withArrays(left, () => engine.merge(id));
    if (!isRefused) {
      given(result);
      given(await engine.unmerge(id));
      continue;
    }
    assert.match(refusal(result), SENTENCE);
    assert.match(refusal(await engine.unmerge(id)), /not merged/);
    assert.ok(Buffer.from(given(await engine.adapter(id)).safetensors).equals(safetensors));
    refused++;
  }
  assert.ok(refused > 3, `${refused} times`);
  const merged = given(await engine.merge(id));
  assert.ok(merged.difference < 1e-3 * merged.largest, "before a merge the run was not merged already");
  assert.ok(given(await engine.unmerge(id)).restored);
  await engine.close(id);
});

memory("a fourth run that cannot be opened takes no model from the first", async () => {
  const engine = await startedEngine();
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push(given(await engine.open(controlsOf("lora"))).id);
  for (const left of [2, 10, 18]) {
    // in the copy of the base, and in the first measurement
    const { result } = await withArrays(left, () => engine.open(controlsOf("full")));
    assert.match(refusal(result), SENTENCE);
  }
  for (const id of ids) await steps(engine, id, 1);
});

memory("a step whose measurement gets no memory has been taken", async ({ engine }) => {
  let found = 0;
  for (let left = 40; left > 20 && found === 0; left -= 2) {
    const { id } = given(await engine.open(controlsOf("full")));
    const { result, isRefused } = await withArrays(left, () => engine.step(id));
    const { stepped, measured } = given(result);
    assert.is(stepped.step, 1);
    assert.is(measured === null, isRefused);
    if (isRefused) found++;
    assert.is((await steps(engine, id, 1))[0].step, 2);
    await engine.close(id);
  }
  assert.is(found, 1);
});

memory("browsers' words for it become one sentence", () => {
  for (const words of [
    "Array buffer allocation failed",
    "Invalid array buffer length",
    "Invalid typed array length: 4294967296",
    "out of memory",
  ])
    assert.match(
      sentenceOf(new RangeError(words)),
      /^The browser gave no more memory \([^;]*\); remove a run or take a smaller rank\.$/,
    );
});

memory.run();
