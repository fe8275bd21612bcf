/** @file Training on a quantized base: QLoRA is quantizeModel, then inject. */

import * as fc from "fast-check";
import { mseLoss, type Tensor, tensor } from "lowrank/autograd";
import {
  array,
  type Law,
  liveBytes,
  makeTemporaryFolder,
  measureMemory,
  random,
  removeFile,
  roundToBfloat16,
  scope,
} from "lowrank/core";
import { inject, type LoRA } from "lowrank/lora";
import { AdamW, GPT2, Linear, type LinearLike, Module } from "lowrank/nn";
import {
  AdamW8bit,
  dequantizeModel,
  formats,
  PagedAdamW,
  QuantizedLinear,
  qloraBytes,
  quantize,
  quantizedBytes,
  quantizedLayers,
  quantizeModel,
  trainingLaws,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { collectUntil, mayCollect } from "../support/collect.ts";

const test = suite("training on a quantized base");

const folder = makeTemporaryFolder("lowrank-test-");
test.after(() => removeFile(folder));

const normal = (seed: number, ...shape: number[]) =>
  array(random(seed).normal(shape.reduce((n, length) => n * length, 1)), shape);

const { gradients, paging, untouched } = trainingLaws;

/** Asserts that `law` holds for `trial`. */
function assertLaw<Trial>(law: Law<Trial>, trial: Trial): void {
  const { holds, error, bound } = law.check(trial);
  assert.ok(holds, `${law.statement} error ${error}, bound ${bound}`);
}

test(gradients.statement, () => {
  const drawn = fc.record({
    format: fc.constantFrom(...formats),
    inFeatures: fc.integer({ min: 1, max: 40 }),
    outFeatures: fc.integer({ min: 1, max: 40 }),
    rows: fc.nat(3),
    bias: fc.boolean(),
    nest: fc.boolean(),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(drawn, ({ format, inFeatures, outFeatures, rows, bias, nest, seed }) => {
      const layer = QuantizedLinear.from(new Linear(inFeatures, outFeatures, { bias, rng: random(seed) }), {
        format,
        doubleQuant: nest && format !== "int8-rows",
      });
      assertLaw(gradients, {
        layer,
        x: normal(seed, 2, rows, inFeatures),
        dY: normal(seed + 1, 2, rows, outFeatures),
      });
    }),
  );
});

test(paging.statement, () => {
  const drawn = fc.integer({ min: 1, max: 4 }).chain((count) =>
    fc.record({
      sizes: fc.array(fc.nat(60), { minLength: count, maxLength: count }),
      steps: fc.array(fc.array(fc.boolean(), { minLength: count, maxLength: count }), {
        minLength: 1,
        maxLength: 6,
      }),
      pageBytes: fc.integer({ min: 3, max: 40 }).map((n) => 4 * n),
      extra: fc.nat(600),
      amsgrad: fc.boolean(),
      weightDecay: fc.constantFrom(0, 0.1),
    }),
  );
  fc.assert(
    fc.property(drawn, ({ sizes, steps, pageBytes, extra, ...settings }) =>
      assertLaw(paging, {
        values: sizes.map((size, i) => normal(i, size)),
        gradients: steps.map((active, step) =>
          active.map((on, i) => (on ? normal(1000 * step + i, sizes[i]) : null)),
        ),
        settings: { lr: 0.1, ...settings },
        paging: { budget: pageBytes + extra, pageBytes, folder },
      }),
    ),
  );
});

const gpt2 = (): GPT2 =>
  new GPT2(
    { model_type: "gpt2", n_layer: 1, n_embd: 32, n_head: 2, vocab_size: 20, n_positions: 8 },
    {
      rng: random(1),
    },
  );
const ids = [[1, 2, 3, 4, 5, 6]];

test(untouched.statement, () => {
  const drawn = fc.record({
    format: fc.constantFrom(...formats),
    nest: fc.boolean(),
    computeDtype: fc.constantFrom("float32" as const, "bfloat16" as const),
    method: fc.constantFrom("lora" as const, "lora-fa" as const, "dora" as const),
    layers: fc.integer({ min: 1, max: 2 }),
    d: fc.integer({ min: 2, max: 20 }),
    rows: fc.integer({ min: 1, max: 3 }),
    steps: fc.integer({ min: 1, max: 3 }),
    eightBits: fc.boolean(),
  });
  fc.assert(
    fc.property(drawn, ({ format, nest, computeDtype, method, layers, d, rows, steps, eightBits }) => {
      const model = new Chain(layers, d);
      quantizeModel(model, { format, doubleQuant: nest && format !== "int8-rows", computeDtype });
      const adapted = inject(model, { method, rank: 2, target: "all-linear" });
      const trained = adapted.parameters().filter((parameter) => parameter.requiresGrad);
      const optimizer = eightBits
        ? new AdamW8bit(trained, { lr: 0.1, min8bitSize: 1 })
        : new AdamW(trained, { lr: 0.1 });
      const before = trained.map((parameter) => parameter.toArray());
      const train = (): void => {
        for (let step = 0; step < steps; step++) {
          scope(() => {
            mseLoss(model.forward(tensor(normal(step, rows, d))), tensor(normal(9, rows, d))).backward();
            optimizer.step();
            optimizer.zeroGrad();
          });
        }
      };
      assertLaw(untouched, { model, train });
      assert.not.equal(
        trained.map((parameter) => parameter.toArray()),
        before,
      );
    }),
  );
});

test("QLoRA lowers the loss, paged, and leaves the packed bytes as they are", () => {
  for (const method of ["lora", "dora"] as const) {
    const model = gpt2();
    quantizeModel(model, { doubleQuant: true });
    const adapted = inject(model, { method, rank: 2, target: "all-linear" });
    const trained = adapted.parameters().filter((parameter) => parameter.requiresGrad);
    const optimizer = new PagedAdamW(trained, { lr: 0.02, budget: 2048, pageBytes: 512, folder });
    model.eval(); // no dropout: the loss falls steadily
    const losses: number[] = [];
    const train = (): void => {
      for (let step = 0; step < 40; step++) {
        scope(() => {
          const loss = model.loss(ids);
          losses.push(loss.item());
          loss.backward();
          optimizer.step();
          optimizer.zeroGrad();
        });
      }
    };
    assertLaw(untouched, { model, train });
    assert.ok(losses[39] < losses[0] - 0.4, `${method}: ${losses[0]} to ${losses[39]}`);
    assert.ok(optimizer.paging.faults > 0);
    optimizer.close();
  }
});

test("QLoRA trains as LoRA on the dequantized copy does", () => {
  const model = gpt2();
  quantizeModel(model);
  const losses = [model, dequantizeModel(model)].map((base) => {
    const adapted = inject(base, { method: "lora", rank: 2, target: "c_attn", seed: 5 });
    const optimizer = new AdamW(
      adapted.parameters().filter((parameter) => parameter.requiresGrad),
      { lr: 0.02 },
    );
    return Array.from({ length: 10 }, () =>
      scope(() => {
        const loss = base.loss(ids);
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        return loss.item();
      }),
    );
  });
  // Sums in another order (Conv1D's layout), through ten steps.
  assert.ok(losses[0].every((loss, i) => Math.abs(loss - losses[1][i]) < 1e-4));
});

test("with bfloat16 as compute type the adapter's operands and results are rounded too", () => {
  class One extends Module {
    layer: LinearLike = QuantizedLinear.from(new Linear(48, 24, { rng: random(1) }), {
      computeDtype: "bfloat16",
    });
    forward(x: Tensor): Tensor {
      return this.layer.forward(x);
    }
  }
  const model = new One();
  const base = model.layer as QuantizedLinear;
  const adapted = inject(model, { method: "lora", rank: 4, alpha: 8, target: "layer" });
  const { A, B } = adapted.adapter("default").get("layer") as LoRA;
  B.assign(normal(2, 24, 4));
  const x = tensor(normal(3, 5, 48));
  const round = (t: Tensor): Tensor => tensor(roundToBfloat16(t.toArray()), t.shape);
  const product = (a: Tensor, W: Tensor): Tensor => round(round(a).matmul(round(W).T));
  const sum = base.project(x).add(product(product(x, A).mul(2), B));
  assert.equal(adapted.forward(x).toArray(), round(sum.add(round(base.bias as Tensor))).toArray());
});

test("quantizedBytes is the number of bytes of the arrays", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...formats),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 70 }),
      fc.boolean(),
      fc.constantFrom(32, 64, 4096),
      (format, out, inner, nest, size) => {
        const rows = format === "int8-rows";
        const options = { format, doubleQuant: nest && !rows, blockSize: rows ? undefined : size };
        const { codes, absmax } = quantizedBytes([out, inner], options);
        const q = quantize(array(new Float32Array(out * inner), [out, inner]), options);
        return codes === q.packed.byteLength && codes + absmax === q.bytes;
      },
    ),
  );
});

/** L layers h ← tanh(W h), W [d, d] without a bias. */
class Chain extends Module {
  layers: Linear[];

  constructor(count: number, d: number) {
    super();
    this.layers = Array.from({ length: count }, (_, i) => new Linear(d, d, { bias: false, rng: random(i) }));
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((h, layer) => layer.forward(h).tanh(), x);
  }
}

/** Until what other tests left, and dense weights that were replaced, is off the meter. */
async function collectGarbage(): Promise<void> {
  const total = (): number => Object.values(liveBytes()).reduce((sum, bytes) => sum + bytes);
  let last = Number.NaN;
  await collectUntil(() => last === (last = total()));
}

test("the peak of a QLoRA run on the meter is what the formula says, within 5 %", async () => {
  const [L, d, r, rows] = [12, 256, 8, 4];
  if (mayCollect) await collectGarbage();
  // Quantized weights, the model's and those of earlier tests that the collector has not seen yet.
  const before = liveBytes();
  const model = new Chain(L, d);
  const options = { format: "nf4", doubleQuant: true } as const;
  quantizeModel(model, options);
  // The dense weights that were replaced are garbage: on the meter until collected.
  if (mayCollect) await collectGarbage();
  const garbage = liveBytes().weights;
  const adapted = inject(model, { method: "lora", rank: r, target: "all-linear" });
  const trained = adapted.parameters().filter((parameter) => parameter.requiresGrad);
  const optimizer = new AdamW(trained, { lr: 1e-3 });
  const [x, y] = [normal(1, rows, d), normal(2, rows, d)].map((value) => tensor(value));
  const step = (): void => {
    const loss = mseLoss(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
  };
  scope(step); // gradients and state are there from the second step on
  const { peak, peakTotal } = measureMemory(() => scope(step));

  // Forward, a layer: W h, A h, s A h, B (s A h), their sum, tanh.
  const activations = 4 * L * rows * (4 * d + 2 * r);
  const formula = qloraBytes({
    quantized: Array.from({ length: L }, () => [d, d]),
    options,
    frozen: 0,
    trained: L * 2 * d * r,
    activations,
  });
  const measured = {
    quantized: peak.quantized - before.quantized,
    adapters: peak.adapters - before.adapters,
    gradients: peak.gradients - before.gradients,
    optimizer: peak.optimizer - before.optimizer,
  };
  const { weights, workspace, total, ...exact } = formula;
  assert.equal(measured, exact);
  const others = garbage + before.quantized + before.adapters + before.gradients + before.optimizer;
  const ratio = (peakTotal - others) / total;
  assert.ok(Math.abs(ratio - 1) < 0.05, `measured ${peakTotal - others}, formula ${total}`);
  // With dense weights the run would take more than half as much again.
  assert.ok(total + L * d * d * 4 - exact.quantized > 1.5 * total, `${weights} ${workspace}`);
  assert.is([...quantizedLayers(model)].length, L);
});

test.run();
