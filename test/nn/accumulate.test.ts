/** @file What saves memory in training leaves the numbers alone: parts of a batch, checkpointed blocks, small checkpoints. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { mseLoss, type Tensor, tensor } from "lowrank/autograd";
import { ArgumentError, loadSafetensors, makeTemporaryFolder, measureMemory, random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, checkpointBlocks, fit, GPT2, generate, Linear, Llama, Module, SGD } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("memory of training");
const folder = makeTemporaryFolder("lowrank-accumulate");
test.after(() => rmSync(folder, { recursive: true }));

const close = (a: ArrayLike<number>, b: ArrayLike<number>, bound: number): void =>
  Array.from(a).forEach((value, i) => {
    assert.ok(Math.abs(value - b[i]) <= bound, `${value} and ${b[i]}`);
  });

test("a step of parts takes the step of the large batch, whatever their number", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }), (parts, rows) => {
      const rowsOf = (step: number, from: number, count: number) => ({
        x: tensor(
          random(step)
            .normal(5 * 3 * 4)
            .subarray(from * 4, (from + count) * 4),
          [count, 4],
        ),
        y: tensor(
          random(step + 9)
            .normal(5 * 3 * 2)
            .subarray(from * 2, (from + count) * 2),
          [count, 2],
        ),
      });
      const train = (accumulate: number, count: number) => {
        const net = new Linear(4, 2, { rng: random(1) });
        const { losses } = fit(net, {
          steps: 3,
          optimizer: new SGD(net.parameters(), { lr: 0.05 }),
          batch: (step, part) => rowsOf(step, part * count, count),
          loss: ({ x, y }) => mseLoss(net.forward(x), y),
          accumulate,
          progress: false,
        });
        return [...losses, ...net.weight.toArray()];
      };
      close(train(parts, rows), train(1, parts * rows), 2e-5);
    }),
    { numRuns: 20 },
  );
});

test("the activations of one part are in memory at a time", () => {
  const peak = (accumulate: number, rows: number): number => {
    const net = new Linear(64, 64, { rng: random(1) });
    const { peak } = measureMemory(() =>
      fit(net, {
        steps: 1,
        optimizer: new AdamW(net.parameters()),
        batch: () => tensor(new Float32Array(rows * 64), [rows, 64]),
        loss: (x) => net.forward(x).tanh().square().sum(),
        accumulate,
        progress: false,
      }),
    );
    return Object.values(peak).reduce((sum, bytes) => sum + bytes, 0);
  };
  const [parts, whole] = [peak(4, 512), peak(1, 2048)];
  assert.ok(parts < whole / 2, `${parts} of ${whole} bytes`);
});

test("a number of parts that is none is refused", () => {
  const net = new Linear(1, 1);
  for (const accumulate of [0, 1.5, "2"]) {
    const options = { steps: 1, optimizer: new AdamW(net.parameters()), batch: () => 0, accumulate } as never;
    assert.throws(
      () => fit(net, options),
      (e: Error) => e instanceof ArgumentError && /accumulate/.test(e.message),
    );
  }
});

const gpt2 = (dropout: number): GPT2 =>
  new GPT2(
    {
      ...{ model_type: "gpt2", vocab_size: 20, n_positions: 16, n_embd: 8, n_layer: 3, n_head: 2 },
      ...{ attn_pdrop: dropout, embd_pdrop: dropout, resid_pdrop: dropout },
    },
    { rng: random(4) },
  );
const llama = (): Llama =>
  new Llama(
    {
      ...{ model_type: "llama", vocab_size: 20, hidden_size: 8, intermediate_size: 12 },
      ...{ num_hidden_layers: 3, num_attention_heads: 2, max_position_embeddings: 16 },
    },
    { rng: random(4) },
  );
const ids = [
  [1, 2, 3, 4, 5, 6],
  [7, 8, 9, 10, 11, 12],
];

for (const [name, make] of [
  ["GPT-2 with dropout", () => gpt2(0.3)],
  ["Llama", llama],
] as const) {
  test(`${name}: checkpointed blocks give the same loss and gradients, with adapters and without`, () => {
    for (const adapts of [false, true]) {
      const results = [false, true].map((checkpoints) => {
        const model = make();
        if (adapts) inject(model, { method: "dora", rank: 2, target: "all-linear", seed: 3, init: "random" });
        if (checkpoints) assert.is(checkpointBlocks(model), 3);
        model.train();
        const loss = model.loss(ids);
        loss.backward();
        const gradients = model.parameters().map((p) => (p.grad as Tensor | null)?.toArray() ?? []);
        return JSON.stringify([loss.item(), gradients.map((g) => [...g])]);
      });
      assert.is(results[1], results[0]);
    }
  });
}

test("checkpointed blocks generate as before, with a cache, and keep their names", () => {
  const [plain, checkpointed] = [llama(), llama()];
  checkpointBlocks(checkpointed);
  assert.equal(
    [...checkpointed.namedParameters()].map(([name]) => name),
    [...plain.namedParameters()].map(([name]) => name),
  );
  const next = (model: Llama) => [...generate(model, [[1, 2]], { maxNewTokens: 8 }).data];
  assert.equal(next(checkpointed), next(plain));
  assert.throws(
    () => checkpointBlocks(checkpointed),
    (e: Error) => /already/.test(e.message),
  );
  assert.throws(
    () => checkpointBlocks(new Linear(1, 1)),
    (e: Error) => /a list of blocks.*Linear/.test(e.message),
  );
});

test("checkpointed blocks hold fewer activations", () => {
  const peak = (checkpoints: boolean): number => {
    const model = gpt2(0);
    if (checkpoints) checkpointBlocks(model);
    const { peak } = measureMemory(() => model.loss(ids).backward());
    return Object.values(peak).reduce((sum, bytes) => sum + bytes, 0);
  };
  assert.ok(peak(true) < peak(false), `${peak(true)} of ${peak(false)} bytes`);
});

/** A frozen layer and one that trains. */
class Half extends Module {
  readonly frozen: Linear;
  readonly trained: Linear;

  constructor(seed: number) {
    super();
    this.frozen = new Linear(2, 4, { rng: random(1) }).requiresGrad_(false);
    this.trained = new Linear(4, 1, { rng: random(seed) });
  }
}

const trainHalf = (seed: number, steps: number, path?: string, trainedOnly = true) => {
  const net = new Half(seed);
  const { losses } = fit(net, {
    steps,
    optimizer: new AdamW(net.trained.parameters(), { lr: 0.1 }),
    batch: (step) => tensor(random(step).normal(6), [3, 2]),
    loss: (x) => net.trained.forward(net.frozen.forward(x).tanh()).sub(1).square().mean(),
    checkpoint: path === undefined ? undefined : { path, every: 2, trainedOnly },
    progress: false,
  });
  return JSON.stringify([[...losses], ...net.parameters().map((p) => [...p.toArray()])]);
};

test("a checkpoint of what trains leaves the frozen out, and the run that continues is the whole one", () => {
  const path = join(folder, "half.safetensors");
  trainHalf(5, 3, path);
  const names = [...loadSafetensors(path).tensors.keys()].filter((name) => name.startsWith("model."));
  assert.equal(names.sort(), ["model.trained.bias", "model.trained.weight"]);
  assert.is(trainHalf(8, 7, path), trainHalf(5, 7)); // the trained values come from the file
});

test("checkpoints of what trains and of everything are not taken for each other", () => {
  const path = join(folder, "other.safetensors");
  for (const first of [true, false]) {
    trainHalf(5, 2, path, first);
    assert.throws(
      () => trainHalf(5, 4, path, !first),
      (e: Error) => (first ? /missing: frozen/ : /unexpected: frozen/).test(e.message),
    );
    rmSync(path);
  }
});

test.run();
