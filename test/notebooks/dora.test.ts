import { matmul, noGrad, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { DoRA, viewWeight } from "lowrank/lora";
import { GPT2, Linear } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { textArms } from "../../notebooks/papers/dora/arms.ts";
import { follow, queries, rowDeviations } from "../../notebooks/papers/dora/magnitude-direction.ts";
import { forwardPass, normSavings } from "../../notebooks/papers/dora/memory.ts";
import { pooled, within } from "../../notebooks/papers/dora/moved.ts";
import { eckartYoung, forms, plant, trainPlanted } from "../../notebooks/papers/dora/planted.ts";
import { houseAnswer } from "../../notebooks/papers/dora/texts.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";

const dora = suite("the page on DoRA");

const gpt2 = (d = 8): GPT2 => new GPT2(gpt2Fields({ d, layers: 2, heads: 2, time: 16 }), { rng: random(1) });

dora("the toys' DoRA is the library's", () => {
  const layer = viewWeight(new Linear(6, 5, { bias: false, rng: random(1) }));
  const part = new DoRA(layer, { rank: 2, alpha: 2, rng: random(2) });
  part.B.assign(random(3).normal(10));
  part.m.assign(random(4).uniform(5, 0.5, 2));
  const byToys = noGrad(() => forms.DoRA(layer.weight(), part.A, part.B, part.m.reshape(5, 1)));
  const byLibrary = noGrad(() => layer.weight().add(part.deltaWeight(layer)));
  assert.ok(byToys.sub(byLibrary).abs().max().item() < 1e-6);
});

dora("toys in a batch are trained as each of them alone, and LoRA reaches the bound", () => {
  const how = { method: "LoRA", r: 2, rate: 5e-2, steps: 150 } as const;
  const toys = (seeds: number[]) => plant("both", { d: 6, planted: 3, seeds });
  // The draws of A differ between batches of two sizes, so what is compared is where training ends.
  const pair = trainPlanted(toys([1, 2]), how, random(1));
  const alone = trainPlanted(toys([2]), how, random(1));
  assert.ok(Math.abs(pair[1] - alone[0]) < 2e-3 * alone[0], `${pair[1]} and ${alone[0]}`);
  const bounds = eckartYoung(toys([1, 2]), 2);
  pair.forEach((error, i) => {
    assert.ok(error >= bounds[i] * (1 - 1e-3) && error < bounds[i] * 1.01, `${error}, bound ${bounds[i]}`);
  });
});

dora(
  "scaled rows change no direction, a low-rank update has its rank, and nothing is left of full rank",
  () => {
    const size = { d: 6, planted: 2, seeds: [3] };
    const scaled = plant("scaled rows", size);
    for (const { direction } of rowDeviations(scaled.W0.toArray(), scaled.ideal.toArray(), 6))
      assert.ok(direction < 1e-6, String(direction));
    const low = plant("a low-rank update", size);
    assert.ok(eckartYoung(low, 1)[0] > 0.4);
    assert.ok(eckartYoung(low, 2)[0] < 1e-10);
    assert.ok(eckartYoung(scaled, 5)[0] > 1e-4, "of full rank");
    assert.is(eckartYoung(scaled, 6)[0], 0);
  },
);

dora("the change of a row: a row made longer, and one turned by a right angle", () => {
  const [longer, turned] = rowDeviations([3, 4, 1, 0], [6, 8, 0, 1], 2);
  assert.is(longer.magnitude, 5);
  assert.ok(Math.abs(longer.direction) < 1e-15);
  assert.equal(turned, { magnitude: 0, direction: 1 });
});

dora("the queries are the first third of c_attn's rows, and are followed at the chosen steps alone", () => {
  const model = gpt2();
  const { moved, afterStep } = follow(model, [2]);
  const weight = model.transformer.h[1].attn.c_attn.denseWeight().toArray(); // [3 d, d]
  assert.equal([...queries(model)[1]], [...weight.slice(0, 64)]);
  afterStep(0);
  assert.is(moved.length, 0);
  afterStep(1);
  assert.equal(
    moved.map(({ step, block }) => [step, block]),
    [
      [2, 0],
      [2, 1],
    ],
  );
  assert.is(moved[0].magnitude, 0);
});

dora("pooling moments sees the course of training, and a moment's rows do not", () => {
  const rows = [
    { magnitude: 2, direction: 1 },
    { magnitude: 1, direction: 2 },
    { magnitude: 0, direction: 3 },
  ];
  const moved = [1, 2].map((step) => ({ step, block: 0, rows, magnitude: step, direction: step * step }));
  assert.ok(pooled(moved) > 0.99);
  assert.ok(within(moved) < -0.99);
});

dora("lengths alone: m trains, and A and B do not", () => {
  const { lengths } = textArms(2, [1e-2]);
  const { module, optimizer } = lengths.prepare(gpt2(), { rate: 1e-2, seed: 1, steps: 4 });
  assert.is(optimizer.parameters().length, 8);
  for (const [name, { requiresGrad }] of module.namedParameters())
    if (requiresGrad) assert.match(name, /\.m$/);
});

dora("the exact gradient keeps what is predicted, to the byte", () => {
  for (const { constant, exact, expected } of normSavings(16, 2, [1, 3]))
    assert.is(exact - constant, expected);
});

dora("a forward pass of the same model runs the same kernels", () => {
  const ids = [1, 2, 3];
  const [first, second] = [forwardPass(gpt2(), ids), forwardPass(gpt2(), ids)];
  assert.ok(first.kernels > 20);
  assert.is(first.kernels, second.kernels);
  assert.equal([...first.logits], [...second.logits]);
});

dora("the house's answer to a prompt, and an error for what is none", () => {
  assert.match(houseAnswer("Aromi Thai cheap river>"), /^by the river: Aromi \w+ budget Thai\.$/);
});

dora("a product of thin matrices", () => {
  const [B, A] = [tensor([1, 2], [2, 1]), tensor([3, 4], [1, 2])];
  const W = forms.LoRA(tensor([0, 0, 0, 0], [2, 2]), A, B, B);
  assert.equal([...W.toArray()], [...matmul(B, A).toArray()]);
});

dora.run();
