import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import { random } from "lowrank/core";
import { countParameters } from "lowrank/lora";
import { GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";
import {
  adapterH,
  adapterL,
  adapterP,
  bitFit,
  fullFineTuning,
  lastBlocks,
} from "../../notebooks/support/methods/baselines.ts";
import { separateAttention } from "../../notebooks/support/methods/separate-attention.ts";

const models = suite("models of the notebooks");

const sizes = fc.record({
  heads: fc.integer({ min: 1, max: 2 }),
  headWidth: fc.integer({ min: 1, max: 4 }),
  layers: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(1000),
});

const fieldsOf = ({ heads, headWidth, layers }: { heads: number; headWidth: number; layers: number }) =>
  gpt2Fields({ d: heads * headWidth, layers, heads, time: 6 });
const trainable = (model: GPT2): number =>
  model.parameters().reduce((sum, { size, requiresGrad }) => sum + (requiresGrad ? size : 0), 0);
const ids = [
  [1, 2, 3, 4],
  [95, 0, 50, 7],
];
const logits = (model: GPT2): Float32Array => noGrad(() => model.forward(ids).toArray());

models("each method trains as many parameters as its formula says", () => {
  fc.assert(
    fc.property(sizes, ({ width, seed, ...size }) => {
      const config = fieldsOf(size);
      const model = (): GPT2 => new GPT2(config, { rng: random(seed) });
      const rng = random(seed);
      const counts: [number, number][] = [
        [trainable(fullFineTuning(model())), countParameters("full", { config }).trainable],
        [trainable(lastBlocks(model(), 1)), countParameters("last-layers", { config, blocks: 1 }).trainable],
        [trainable(bitFit(model())), countParameters("bitfit", { config }).trainable],
        [
          trainable(adapterH(model(), { width, rng })),
          countParameters("adapter", { config, variant: "houlsby", rank: width }).trainable,
        ],
        [
          trainable(adapterP(model(), { width, rng })),
          countParameters("adapter", { config, variant: "pfeiffer", rank: width }).trainable,
        ],
        [
          trainable(adapterL(model(), { width, rng })),
          countParameters("adapter", { config, variant: "lin", rank: width }).trainable,
        ],
      ];
      for (const [real, formula] of counts) assert.is(real, formula);
    }),
    { numRuns: 20 },
  );
});

models("adapter layers change nothing at the start, bit for bit", () => {
  fc.assert(
    fc.property(sizes, ({ width, seed, ...size }) => {
      const model = (): GPT2 => new GPT2(fieldsOf(size), { rng: random(seed) });
      const expected = logits(model());
      assert.equal(logits(adapterH(model(), { width, rng: random(1) })), expected);
      assert.equal(logits(adapterP(model(), { width, rng: random(1) })), expected);
      assert.equal(logits(adapterL(model(), { width, rng: random(1) })), expected);
    }),
    { numRuns: 15 },
  );
});

models("three separate layers compute the same queries, keys and values as the fused one", () => {
  fc.assert(
    fc.property(sizes, ({ seed, ...size }) => {
      const fused = new GPT2(fieldsOf(size), { rng: random(seed) });
      for (const { attn } of fused.transformer.h) {
        if (attn.c_attn.bias) attn.c_attn.bias.assign(random(seed + 1).normal(attn.c_attn.bias.size));
      }
      const expected = logits(fused); // before: the fused layer's memory is given back
      const parts = logits(separateAttention(fused));
      // The same sums of at most 8 products, perhaps in another order: 8 · 2⁻²⁴ of values below 10 at each of 3 blocks.
      const worst = Math.max(...parts.map((value, i) => Math.abs(value - expected[i])));
      assert.ok(worst <= 3 * 8 * 2 ** -24 * 10, `${worst}`);
    }),
    { numRuns: 20 },
  );
});

models.run();
