/** @file What cannot be done is refused in one sentence that names the control, and no run is lost. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadBase } from "../../../notebooks/lab/engine/base.ts";
import { domainOf } from "../../../notebooks/lab/engine/domain.ts";
import { createEngine } from "../../../notebooks/lab/engine/engine.ts";
import type { Controls, Engine } from "../../../notebooks/lab/engine/types.ts";
import { controlsOf, given, refusal, smallBase, smallTexts, startedEngine, steps } from "./support.ts";

const refusals = suite<{ engine: Engine; first: number }>("the lab's refusals");
refusals.before(async (context) => {
  context.engine = await startedEngine();
  context.first = given(await context.engine.open(controlsOf("lora", { steps: 100 }))).id;
});
// After each refusal the first run goes on.
refusals.after.each(async ({ engine, first }) => {
  await steps(engine, first, 1);
});

const lora = controlsOf("lora");
const bad: [Partial<Controls>, RegExp][] = [
  [{ rank: 0 }, /^Rank r: expected a whole number from 1 to 128; got 0\.$/],
  [{ rank: 10_000 }, /^Rank r: expected a whole number from 1 to 128; got 10,000\.$/],
  [{ rank: 2.5 }, /^Rank r: .* got 2\.5\.$/],
  [{ rank: Number.NaN }, /^Rank r: .* got NaN\.$/],
  [{ alpha: 0 }, /^α: expected a number above 0; got 0\.$/],
  [{ rate: -1 }, /^Learning rate: expected a number above 0; got -1\.$/],
  [{ rate: Number.POSITIVE_INFINITY }, /^Learning rate: .* got Infinity\.$/],
  [{ ratio: 0 }, /^η_B\/η_A: /],
  [{ blockSize: 48 }, /^Block size: expected one of 32, 64, .* got 48\.$/],
  [{ seed: -1 }, /^Seed: /],
  [{ steps: 0 }, /^Steps: /],
  [{ method: "prefix" as never }, /^Method: expected one of full, bitfit, .* got "prefix"\.$/],
  [{ target: "news" as never }, /^Text: expected one of speeches, /],
  [{ place: "none" as never }, /^Matrices: /],
  [{ format: "nf3" as never }, /^Base: /],
  [{ doubleQuant: "yes" as never }, /^Double quantization: /],
  [{ method: "full", format: "nf4" }, /^Full fine-tuning: expected the base in float32, .* got nf4\.$/],
  [{ method: "loftq", format: "float32" }, /^LoftQ: expected a quantized base, .* got float32\.$/],
  [{ method: "pissa", rank: 100, place: "qv" }, /^Rank r with pissa: expected at most 64, .* got 100\.$/],
  [{ target: "own", text: "" }, /^Your text: expected 2,000 to 300,000 characters; got 0\.$/],
  [{ target: "own", text: "x" }, /^Your text: .* got 1\.$/],
  [{ target: "own", text: "x".repeat(5 * 2 ** 20) }, /^Your text: .* got 5,242,880\.$/],
  [{ target: "own", text: " ".repeat(5000) }, /^Your text: expected words; /],
];

for (const [controls, sentence] of bad)
  refusals(`${JSON.stringify(controls).slice(0, 60)} is refused`, async ({ engine }) => {
    assert.match(refusal(await engine.open({ ...lora, ...controls })), sentence);
  });

for (const [what, text] of [
  ["emoji", "🐋 and ⛵, ".repeat(300)],
  ["emoji without a space, in every phase", "🐋".repeat(2000)],
  ["emoji after one letter", `x${"🐋⛵".repeat(1000)}`],
  ["one letter", "x".repeat(3000)],
  ["lines without words", "\n\t!?".repeat(1000)],
])
  refusals(`a pasted text of ${what} can be learned`, async ({ engine }) => {
    const { id } = given(await engine.open({ ...lora, target: "own", text }));
    await steps(engine, id, 2);
    await engine.close(id);
  });

refusals("a text is cut between letters, not inside one of two halves", () => {
  const { tokenizer } = loadBase(smallBase);
  for (const before of ["", "x", "xy", "xyz"]) {
    const text = before + "🐋".repeat(800);
    const { training, heldOut } = domainOf(tokenizer, text);
    assert.is(tokenizer.decode([...training]) + tokenizer.decode([...heldOut]), text);
  }
});

for (const [rate, what] of [
  [1e9, "all of its gradients are zero, so that nothing can be learned any more"],
  [1e3, "its loss is \\d+\\.\\d nats, where guessing has 6\\.93"],
  [0.1, "its last 5 losses are \\d+\\.\\d nats on average, where guessing has 6\\.93"],
] as const)
  refusals(`a rate of ${rate} stops that run in a sentence, and it stays stopped`, async ({ engine }) => {
    const { id } = given(await engine.open({ ...lora, rate }));
    let sentence = "";
    for (let i = 0; i < 15 && sentence === ""; i++) {
      const answer = await engine.step(id);
      if ("refused" in answer) sentence = answer.refused;
    }
    assert.match(
      sentence,
      new RegExp(
        `^The run stopped at step \\d+: ${what}\\. The learning rate ${rate} with α/r = 2 is too high; take a smaller one\\.$`,
      ),
    );
    assert.is(refusal(await engine.step(id)), sentence);
    given(await engine.look(id, "model.layers.0.mlp.up_proj")); // what it holds can still be seen
    await engine.close(id);
  });

refusals(
  "a text that the base finds harder than guessing is learned, not taken for divergence",
  async ({ engine }) => {
    const { id } = given(
      await engine.open({ ...lora, rate: 1e-5, target: "own", text: "🐋 and ⛵, ".repeat(300) }),
    );
    const losses = (await steps(engine, id, 6)).map(({ loss }) => loss);
    assert.ok(
      losses.every((loss) => loss > Math.log(1024) + 3),
      String(losses),
    );
    await engine.close(id);
  },
);

refusals("a run ends with its last step", async ({ engine }) => {
  const { id } = given(await engine.open({ ...lora, steps: 1 }));
  await steps(engine, id, 1);
  assert.match(refusal(await engine.step(id)), /has taken all of its 1 steps/);
  await engine.close(id);
});

refusals("an unknown run, an empty prompt and a long one are refused", async ({ engine, first }) => {
  assert.match(refusal(await engine.step(999)), /^There is no run 999\.$/);
  assert.match(refusal(await engine.write(first, "")), /^Prompt: expected at least one word/);
  assert.match(
    refusal(await engine.write(first, "word ".repeat(400))),
    /^Prompt: expected at most \d+ tokens; got \d+/,
  );
});

refusals.run();

const engines = suite("the lab's engine");

engines("before the start every call says what is missing", async () => {
  const engine = createEngine();
  assert.match(refusal(await engine.open(lora)), /expected start\(\)/);
  assert.match(refusal(await engine.step(1)), /There is no run 1/);
});

engines("a damaged base, a text that is too short and an absent device are refused", async () => {
  const engine = createEngine();
  const cut = { ...smallBase, weights: smallBase.weights.subarray(0, 1000) };
  assert.ok(refusal(await engine.start(cut, smallTexts, "cpu")).length > 20);
  assert.match(
    refusal(await engine.start(smallBase, { ...smallTexts, code: "x" }, "cpu")),
    /^Text: expected at least 65/,
  );
  assert.match(refusal(await engine.start(smallBase, {}, "cpu")), /^Texts: /);
  assert.match(
    refusal(await engine.start(smallBase, smallTexts, "gpu:webgl2")),
    /^WebGL 2 does not work in this browser \(.*\); choose the device cpu\.$/,
  );
  given(await engine.start(smallBase, smallTexts, "cpu"));
});

engines("three runs keep their models; the fourth takes the place of the oldest", async () => {
  const engine = await startedEngine();
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push(given(await engine.open(lora)).id);
  assert.equal(ids, [1, 2, 3, 4]);
  assert.match(refusal(await engine.step(1)), /^Run 1 has given its model back/);
  for (const id of [2, 3, 4]) await steps(engine, id, 1);
});

engines.run();
