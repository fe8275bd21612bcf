/** @file Modules in files: what is saved comes back bit for bit, strictly or as far as it fits. */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { parameter, tensor } from "lowrank/autograd";
import {
  ArgumentError,
  CheckpointError,
  loadSafetensors,
  makeTemporaryFolder,
  random,
  withPrecision,
} from "lowrank/core";
import { inject } from "lowrank/lora";
import { cloneModule, Linear, loadModule, MLP, Module, saveModule } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("modules in files");
const folder = makeTemporaryFolder("lowrank-modules");
test.after(() => rmSync(folder, { recursive: true }));
const path = join(folder, "module.safetensors");

/** Parameters in every kind of place, some tied. */
class Own extends Module {
  readonly scale = parameter(tensor([1]));
  readonly layers: readonly Module[];
  readonly named: ReadonlyMap<string, Module>;
  readonly head: Linear;

  constructor(seed: number, width = 3) {
    super();
    const rng = random(seed);
    this.scale.assign(rng.normal(1));
    this.layers = [new Linear(2, width, { rng }), new MLP(2, 4, { rng })];
    this.named = new Map([["a b/ü", new Linear(2, 2, { rng, bias: false })]]);
    this.head = Linear.of((this.layers[0] as Linear).weight as never);
  }
}

const values = (module: Module): unknown =>
  Array.from(module.stateDict(), ([name, { data }]) => [name, ...data]);

test("saved and loaded, it is the same to the last bit, with its metadata; adapters and doubles too", () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.dictionary(fc.string(), fc.string()), (seed, texts) => {
      const metadata = Object.fromEntries(Object.entries(texts).filter(([name]) => name !== "__proto__"));
      const [first, second] = [new Own(seed), new Own(seed + 1)];
      saveModule(first, path, { metadata });
      const report = loadModule(second, path);
      assert.equal(values(second), values(first));
      assert.equal(report, {
        missing: [],
        unexpected: [],
        misshapen: [],
        metadata: { format: "pt", ...metadata },
      });
    }),
    { numRuns: 20 },
  );
  const net = Object.assign(new MLP(4, 4, { rng: random(1) }));
  const adapted = inject(net, { method: "lora", rank: 2, target: "all-linear", seed: 1 });
  const other = cloneModule(adapted);
  for (const p of adapted.parameters()) p.assign(random(5).normal(p.size));
  saveModule(adapted, path);
  loadModule(other, path);
  assert.equal(values(other), values(adapted));
  withPrecision("float64", () => {
    class Pi extends Module {
      readonly w = parameter(tensor([0]));
    }
    const [pi, copy] = [new Pi(), new Pi()];
    pi.w.assign([Math.PI]);
    saveModule(pi, path);
    loadModule(copy, path);
    assert.is(copy.w.value.data[0], Math.PI);
  });
});

test("what does not fit is refused, the file and every name given; not strictly, the rest is loaded", () => {
  saveModule(new Own(1), path);
  const other = new Own(2, 5);
  const before = values(other);
  assert.throws(
    () => loadModule(other, path),
    (e: Error) =>
      e instanceof CheckpointError &&
      e.message.startsWith(
        `${path}: loadStateDict: misshapen: layers.0.weight (expected [5, 2], got [3, 2])`,
      ),
  );
  assert.equal(values(other), before);
  const { misshapen, missing, unexpected } = loadModule(other, path, { strict: false });
  assert.equal([misshapen.length, missing.length, unexpected.length], [2, 0, 0]);
  assert.is(other.scale.item(), new Own(1).scale.item());
});

test("quantized layers, missing files, broken ones, and arguments that make no sense are refused", () => {
  const refused = (fn: () => unknown, message: RegExp): void =>
    assert.throws(
      fn,
      (e: Error) => (e instanceof CheckpointError || e instanceof ArgumentError) && message.test(e.message),
    );
  const quantized = new MLP(64, 64);
  quantizeModel(quantized, { skip: [] });
  refused(
    () => saveModule(quantized, path),
    /fc1, a QuantizedLinear, has a weight that is no parameter.*saveQuantized/,
  );
  refused(() => loadModule(quantized, path), /fc1, a QuantizedLinear/);
  const adapted = inject(quantized, { method: "lora", rank: 2, target: "all-linear" });
  refused(() => saveModule(adapted, path), /a QuantizedLinear, has a weight that is no parameter/);
  refused(() => loadModule(new Own(1), join(folder, "none.safetensors")), /none\.safetensors/);
  const broken = join(folder, "broken.safetensors");
  writeFileSync(broken, new Uint8Array([1, 2, 3]));
  refused(() => loadModule(new Own(1), broken), /broken\.safetensors/);
  refused(() => saveModule(new Own(1), ""), /a path/);
  refused(() => saveModule("a" as never, path), /a module, then a path/);
  refused(() => saveModule(new Own(1), path, { meta: {} } as never), /options among metadata/);
  refused(() => saveModule(new Own(1), path, { metadata: { a: 1 } as never }), /metadata that are strings/);
  refused(() => loadModule(new Own(1), path, { stric: true } as never), /expected strict/);
  saveModule(new Own(1), path);
  assert.is(loadSafetensors(path).tensors.has("named.a b/ü.weight"), true);
});

test.run();
