/** @file Checkpoints: what is refused changes nothing, what is taken is what the file says; runs of any length. */

import { join } from "node:path";
import * as fc from "fast-check";
import { mseLoss, type Tensor, tensor } from "lowrank/autograd";
import {
  ArgumentError,
  CheckpointError,
  LowrankError,
  loadSafetensors,
  type Random,
  random,
  readFile,
  removeFile,
  saveSafetensors,
  type TensorBytes,
  tensorBytes,
  withPrecision,
} from "lowrank/core";
import {
  AdamW,
  Linear,
  loadCheckpoint,
  Module,
  type Optimizer,
  SGD,
  type Stateful,
  saveCheckpoint,
} from "lowrank/nn";
import { AdamW8bit, PagedAdamW } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quickFolder } from "../support/faults.ts";
import { mutants } from "../support/mutants.ts";

const test = suite("checkpoints");

const folder = quickFolder();
test.after(() => removeFile(folder));
const path = join(folder, "run.safetensors");

class Net extends Module {
  readonly layer: Linear;
  readonly rng: Random;

  constructor(seed: number) {
    super();
    this.layer = new Linear(3, 2, { rng: random(seed) });
    this.rng = random(seed + 1);
  }

  loss(): Tensor {
    const x = tensor(this.rng.normal(6), [2, 3]);
    return mseLoss(this.layer.forward(x), tensor([1, 2, 3, 4]).reshape(2, 2));
  }
}

/** State in addition to model and optimizer: two numbers. */
class Average implements Stateful {
  values = Float32Array.of(0, 0);

  stateDict() {
    return new Map([["mean", tensor([...this.values]).value]]);
  }

  loadStateDict(values: ReturnType<Average["stateDict"]>): void {
    const mean = values.get("mean");
    if (values.size !== 1 || mean?.shape.join() !== "2")
      throw new CheckpointError("average: expected two numbers");
    this.values = Float32Array.from(mean.data);
  }
}

interface Run {
  readonly net: Net;
  readonly optimizer: Optimizer<{ lr: number }>;
  readonly state: Average;
  readonly losses: number[];
}

const optimizers: Readonly<Record<string, (net: Net) => Optimizer<{ lr: number }>>> = {
  SGD: (net) => new SGD(net.parameters(), { lr: 0.1, momentum: 0.9 }),
  AdamW: (net) => new AdamW(net.parameters(), { lr: 0.1 }),
  AMSGrad: (net) => new AdamW(net.parameters(), { lr: 0.1, amsgrad: true }),
  AdamW8bit: (net) => new AdamW8bit(net.parameters(), { lr: 0.1, min8bitSize: 1 }),
  PagedAdamW: (net) => new PagedAdamW(net.parameters(), { lr: 0.1, budget: 64, pageBytes: 32, folder }),
};

function runOf(kind: string, seed: number, steps: number): Run {
  const net = new Net(seed);
  const run = { net, optimizer: optimizers[kind](net), state: new Average(), losses: [] as number[] };
  for (let step = 0; step < steps; step++) {
    const loss = net.loss();
    run.losses.push(loss.item());
    loss.backward();
    run.optimizer.step();
    run.optimizer.zeroGrad();
    run.state.values[step % 2] += run.losses[step];
  }
  return run;
}

const save = ({ net, optimizer, losses, state }: Run): void =>
  saveCheckpoint(path, net, optimizer, losses, state);
const load = ({ net, optimizer, losses, state }: Run): number =>
  loadCheckpoint(path, net, optimizer, losses, state);

/** All that a checkpoint holds, to the last bit. */
function everything({ net, optimizer, losses, state }: Run): string {
  const { steps, arrays } = optimizer.stateDict();
  const all = [...net.stateDict(), ...arrays].map(([name, { shape, data }]) => [name, shape, bits(data)]);
  return JSON.stringify([all, [...steps], net.rng.state(), losses, bits(state.values)]);
}
const bits = (values: Float32Array | Float64Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex");

/** Loads the file at `path` into another run: refused with nothing changed, or the same file again when saved. */
function check(kind: string): "refused" | "taken" {
  const run = runOf(kind, 7, 2);
  run.losses.length = 0;
  const before = everything(run);
  const given = loadSafetensors(path);
  try {
    load(run);
  } catch (error) {
    assert.instance(error, LowrankError);
    assert.is(everything(run), before, `refused, and changed something: ${(error as Error).message}`);
    return "refused";
  }
  save(run);
  const again = loadSafetensors(path);
  const content = (file: typeof given) =>
    JSON.stringify(
      [...file.tensors].map(([name, { dtype, shape, bytes }]) => [name, dtype, shape, bytes.join()]).sort(),
    );
  assert.is(content(again), content(given));
  const { optimizer, ...progress } = JSON.parse(again.metadata.get("progress") ?? "");
  const read = JSON.parse(given.metadata.get("progress") ?? "");
  assert.equal({ optimizer, ...read }, { optimizer, ...progress }); // files of earlier versions do not name it
  return "taken";
}

for (const kind of Object.keys(optimizers)) {
  test(`${kind}: progress with any node of its JSON replaced, left out or added`, () => {
    const run = runOf(kind, 1, 3);
    save(run);
    const { tensors, metadata } = loadSafetensors(path);
    const progress = JSON.parse(metadata.get("progress") ?? "");
    const counts = { refused: 0, taken: 0 };
    for (const { value } of mutants(progress)) {
      saveSafetensors(path, tensors, { metadata: new Map([["progress", JSON.stringify(value)]]) });
      counts[check(kind)]++;
    }
    assert.ok(counts.refused > 200 && counts.taken > 5, JSON.stringify(counts));
  });

  test(`${kind}: tensors left out, renamed, added, of other formats and shapes`, () => {
    const run = runOf(kind, 1, 3);
    save(run);
    const { tensors, metadata } = loadSafetensors(path);
    const names = [...tensors.keys()];
    const anyName = fc.oneof(
      fc.constantFrom(
        ...names,
        "state.mean",
        "model.",
        "optimizer.",
        "x",
        "optimizer.0.exp_avg",
        "optimizer.0.junk",
      ),
      fc.constantFrom(
        "optimizer.00.exp_avg",
        "optimizer.0x.exp_avg",
        "optimizer.-1.exp_avg",
        "optimizer.9.exp_avg",
        "optimizer.0",
      ),
    );
    const anyTensor = fc
      .tuple(
        fc.constantFrom("F32", "F16", "BF16", "F64", "I32", "U8", "BOOL"),
        fc.constantFrom([2, 3], [2], [3, 2], [6], [], [0], [1, 2]),
      )
      .map(([dtype, shape]) =>
        tensorBytes(dtype as "F32", shape, new Float32Array(shape.reduce((a: number, b) => a * b, 1))),
      );
    const change = fc.oneof(
      fc.record({ drop: fc.constantFrom(...names) }),
      fc.record({ name: anyName, tensor: anyTensor }),
      fc.record({ rename: fc.constantFrom(...names), name: anyName }),
    );
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), (changes) => {
        const list = new Map<string, TensorBytes>(tensors);
        for (const each of changes) {
          if ("drop" in each) list.delete(each.drop);
          else if ("tensor" in each) list.set(each.name, each.tensor);
          else {
            const moved = list.get(each.rename);
            list.delete(each.rename);
            if (moved) list.set(each.name, moved);
          }
        }
        saveSafetensors(path, list, { metadata });
        check(kind);
      }),
      { numRuns: 80 },
    );
  });
}

test("a run of half a million steps is resumed", () => {
  const run = runOf("SGD", 1, 1);
  run.losses.length = 0;
  for (let i = 0; i < 500_000; i++) run.losses.push(i / 7);
  save(run);
  const other = runOf("SGD", 2, 0);
  assert.is(load(other), 500_000);
  assert.equal(other.losses, run.losses);
});

test("losses that are not finite are refused before anything is written", () => {
  const run = runOf("AdamW", 1, 2);
  save(run);
  const before = readFile(path);
  for (const loss of [Number.NaN, Infinity, "1", null, undefined]) {
    assert.throws(
      () => save({ ...run, losses: [1, loss as number] }),
      (error: unknown) =>
        error instanceof ArgumentError &&
        /saveCheckpoint: expected finite losses; got step 1/.test(error.message),
    );
    assert.equal(readFile(path), before);
  }
});

test("state that is saved must be loaded, and state that is loaded must have been saved", () => {
  const run = runOf("AdamW", 1, 2);
  save(run);
  assert.throws(
    () => loadCheckpoint(path, run.net, run.optimizer, []),
    /state in addition to model and optimizer \(mean/,
  );
  saveCheckpoint(path, run.net, run.optimizer, run.losses);
  assert.throws(() => load(run), /expected the values of state/);
});

test("a run in float64 resumes to the last bit, and not in float32", () => {
  withPrecision("float64", () => {
    const run = runOf("AdamW", 1, 3);
    save(run);
    const other = runOf("AdamW", 5, 1);
    load(other);
    const values = ({ net }: Run) => net.parameters().map((p) => [...p.toArray()]);
    assert.equal(values(other), values(run));
  });
  const other = runOf("AdamW", 5, 1);
  const before = everything(other);
  assert.throws(() => load(other), /expected F32 in a run in float32; got F64/);
  assert.is(everything(other), before);
});

test.run();
