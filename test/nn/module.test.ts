/** @file Modules: where parameters are found, by what names, how they are replaced, loaded and copied. */

import * as fc from "fast-check";
import { mseLoss, noGrad, type Parameter, parameter, type Tensor, tensor } from "lowrank/autograd";
import { array, CheckpointError, random } from "lowrank/core";
import { inject, LoraFA } from "lowrank/lora";
import { cloneModule, Dropout, fit, Linear, Module, SGD } from "lowrank/nn";
import { QuantizedLinear, quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("modules");

const weight = (value = 1): Parameter => parameter(tensor([value, value]));
const linear = (): Linear => new Linear(2, 2, { bias: false, rng: random(1) });

/** A module with these fields. */
class Holder extends Module {
  constructor(fields: object) {
    super();
    Object.assign(this, fields);
  }
}

const names = (module: Module): string[] => Array.from(module.namedParameters(), ([name]) => name);

/** What warned meanwhile. */
function warnings(fn: () => void): string[] {
  const said: string[] = [];
  const before = console.warn;
  console.warn = (text: string) => void said.push(text);
  try {
    fn();
  } finally {
    console.warn = before;
  }
  return said;
}

const kinds = {
  "a field": [() => ({ w: weight() }), ["w"]],
  "a list": [() => ({ ws: [weight(), weight()] }), ["ws.0", "ws.1"]],
  "a list of lists": [
    () => ({ ws: [[weight()], [weight(), linear()]] }),
    ["ws.0.0", "ws.1.0", "ws.1.1.weight"],
  ],
  "a list of modules": [() => ({ hs: [linear(), null, linear()] }), ["hs.0.weight", "hs.2.weight"]],
  "a frozen list": [() => ({ hs: Object.freeze([linear(), weight()]) }), ["hs.1", "hs.0.weight"]],
  "an object": [() => ({ layers: { fc1: linear(), b: weight() } }), ["layers.b", "layers.fc1.weight"]],
  "an object without prototype": [
    () => ({ layers: Object.assign(Object.create(null), { a: linear() }) }),
    ["layers.a.weight"],
  ],
  "a Map": [
    () => ({
      m: new Map<unknown, unknown>([
        ["a", weight()],
        [7, linear()],
      ]),
    }),
    ["m.a", "m.7.weight"],
  ],
  "a Map in a list in an object": [
    () => ({ a: { b: [new Map([["c", { d: [linear()] }]])] } }),
    ["a.b.0.c.d.0.weight"],
  ],
  "fields that hold nothing": [
    () => ({ a: undefined, b: null, c: [], d: {}, w: weight(), e: [undefined] }),
    ["w"],
  ],
} as const;

for (const [kind, [make, expected]] of Object.entries(kinds)) {
  test(`${kind}: parameters are found, train, are loaded, frozen and copied`, () => {
    const module = new Holder(make());
    assert.equal(names(module), expected);
    assert.equal([...module.stateDict().keys()], expected);
    for (const name of expected) assert.match(module.toString(), name.split(".").at(-1) as string);

    const total = () => module.parameters().map((p) => p.square().sum());
    const before = module.parameters().map((p) => p.toArray());
    fit(module, {
      steps: 1,
      optimizer: new SGD(module.parameters(), { lr: 0.5 }),
      batch: () => null,
      loss: () => total().reduce((a, b) => a.add(b)),
      progress: false,
    });
    module.parameters().forEach((p, i) => {
      assert.equal(
        p.toArray(),
        before[i].map(() => 0),
      ); // w − 0.5 · 2 w
    });

    const copy = cloneModule(module);
    assert.equal(names(copy), expected);
    for (const p of copy.parameters()) assert.not(module.parameters().includes(p));
    const values = new Map(
      Array.from(module.stateDict(), ([name, { shape, size }]) => [
        name,
        array(new Float32Array(size).fill(3), shape),
      ]),
    );
    copy.loadStateDict(values);
    assert.ok(copy.parameters().every((p) => p.toArray().every((w) => w === 3)));
    assert.ok(module.parameters().every((p) => p.toArray().every((w) => w === 0)));

    module.requiresGrad_(false);
    assert.ok(module.parameters().every((p) => !p.requiresGrad));
    module.eval();
    assert.ok([...module.namedModules()].every(([, { training }]) => !training));
  });

  const paths = expected
    .filter((name) => name.endsWith(".weight"))
    .map((name) => name.replace(/\.weight$/, ""));
  if (paths.length === 0) continue;
  test(`${kind}: modules are replaced, quantized and adapted by path`, () => {
    const module = new Holder(make());
    for (const path of paths) {
      const other = linear();
      module.replaceModule(path, other);
      assert.is(module.getModule(path), other);
    }
    assert.equal(names(module), expected);
    quantizeModel(module, { skip: [] });
    for (const path of paths) assert.instance(module.getModule(path), QuantizedLinear);
    class Runs extends Holder {
      forward(x: Tensor): Tensor {
        return paths.map((path) => (this.getModule(path) as Linear).forward(x)).reduce((a, b) => a.add(b));
      }
    }
    const model = new Runs(make());
    const adapted = inject(model, { method: "lora", rank: 1, target: paths });
    assert.equal([...adapted.layers.keys()], paths);
    assert.is(adapted.parameters().filter((p) => p.requiresGrad).length, 2 * paths.length);
    adapted.toPlain();
  });
}

test("what is shared counts once, and is shared in a copy", () => {
  const [w, layer] = [weight(), linear()];
  const module = new Holder({ a: w, list: [w, layer], map: new Map([["x", layer]]) });
  assert.equal(names(module), ["a", "list.1.weight"]);
  assert.equal(
    Array.from(module.namedModules(), ([name]) => name),
    ["", "list.1", "map.x"],
  );
  const copy = cloneModule(module) as Holder & { a: Parameter; list: unknown[]; map: Map<string, Module> };
  assert.is(copy.list[0], copy.a);
  assert.is(copy.map.get("x"), copy.list[1]);
});

test("lists and modules that contain themselves end", () => {
  const list: unknown[] = [weight()];
  list.push(list);
  const module = new Holder({ list });
  Object.assign(module, { me: module, child: new Holder({ parent: module, w: weight() }) });
  assert.equal(names(module), ["list.0", "child.w"]);
  assert.match(module.toString(), "4 parameters");
  const copy = cloneModule(module) as Module & { me: Module; list: unknown[] };
  assert.is(copy.me, copy);
  assert.is(copy.list[1], copy.list);
  assert.equal(names(copy), ["list.0", "child.w"]);
});

test("two parameters of one name are refused", () => {
  const module = new Holder({ a: { "b.c": weight(), b: { c: weight() } } });
  assert.throws(() => module.parameters(), /two parameters have the name a\.b\.c/);
});

test("what cannot be found is warned of, where it can be seen", () => {
  class Plain {
    readonly w = weight();
  }
  const shared = weight();
  const hidden = {
    set: new Set([weight()]),
    "set of modules": new Set([[linear()]]),
    plain: new Plain(),
    leaf: tensor([1], undefined, { requiresGrad: true }),
  };
  for (const [field, value] of Object.entries(hidden)) {
    const said = warnings(() => new Holder({ [field]: value }).parameters());
    assert.is(said.length, 1, field);
    assert.match(said[0], `Holder: ${field} `);
  }
  const fine = {
    w: shared,
    again: new Set([shared]),
    rng: random(1),
    data: tensor([1]),
    map: new Map([[1, 2]]),
  };
  assert.equal(
    warnings(() => new Holder(fine).parameters()),
    [],
  );
});

test("not strict: what fits is loaded, the rest is reported; strict: nothing is loaded", () => {
  const make = (): Holder => new Holder({ a: weight(1), b: weight(2), c: weight(3) });
  const values = new Map([
    ["a", array(Float32Array.of(9, 9), [2])],
    ["b", array(Float32Array.of(9), [1])],
    ["d", array(Float32Array.of(9), [1])],
  ]);
  const module = make();
  assert.throws(
    () => module.loadStateDict(values),
    (e: Error) =>
      e instanceof CheckpointError &&
      /missing: c; unexpected: d; misshapen: b \(expected \[2\], got \[1\]\)/.test(e.message),
  );
  assert.equal(
    module.parameters().map((p) => p.toArray()[0]),
    [1, 2, 3],
  );
  const report = module.loadStateDict(values, { strict: false });
  assert.equal(report, { missing: ["c"], unexpected: ["d"], misshapen: ["b (expected [2], got [1])"] });
  assert.equal(
    module.parameters().map((p) => p.toArray()[0]),
    [9, 2, 3],
  );
  assert.throws(() => module.loadStateDict(values, { stric: false } as never), /expected strict/);
  assert.throws(() => module.loadStateDict({ a: 1 } as never), /a Map of arrays/);
});

test("a path that is none, or a place that cannot be written, is refused", () => {
  const module = new Holder({});
  Object.defineProperty(module, "fixed", { value: linear(), enumerable: true });
  assert.throws(() => module.replaceModule("nowhere", linear()), /expected the path of a module/);
  assert.throws(() => module.replaceModule("fixed", linear()), /fixed: cannot be replaced, it is read-only/);
});

const methods = fc.constantFrom("lora", "dora", "adalora", "lora-fa");

test("a copy of an adapted model computes the same and has nothing of the original", () => {
  fc.assert(
    fc.property(methods, fc.boolean(), fc.boolean(), fc.nat(1000), (method, quantized, merged, seed) => {
      class Net extends Module {
        readonly layers = {
          first: new Linear(4, 6, { rng: random(seed) }),
          more: [new Linear(6, 3, { rng: random(seed) })],
        };
        readonly dropout = new Dropout(0.5, { rng: random(seed) });
        forward(x: Tensor): Tensor {
          return this.layers.more[0].forward(this.dropout.forward(this.layers.first.forward(x).tanh()));
        }
      }
      const net = new Net();
      if (quantized) quantizeModel(net, { skip: [], blockSize: 64 });
      const adapted = inject(net, {
        method: method as "lora",
        rank: 2,
        target: "all-linear",
        bias: "all",
        seed,
      });
      adapted.addAdapter("other", { method: "lora", rank: 1, target: "layers.first", seed });
      adapted.activate(["default", "other"].slice(0, 1 + (seed % 2)));
      for (const [i, p] of adapted.parameters().entries())
        if (p.requiresGrad) p.assign(random(seed + i).normal(p.size));
      if (merged) adapted.merge();

      const x = tensor(random(seed).normal(8), [2, 4]);
      const run = (model: { forward(x: Tensor): Tensor }): Float32Array => model.forward(x).toArray();
      const [copy, inner] = [cloneModule(adapted), cloneModule(adapted.model)];
      const expected = run(adapted); // the generators of dropout are copied as well: all three draw the same
      assert.equal(run(copy), expected);
      assert.equal(run(inner), expected);
      assert.equal(copy.status(), adapted.status());
      assert.equal(
        copy.parameters().map((p) => p.requiresGrad),
        adapted.parameters().map((p) => p.requiresGrad),
      );
      adapted.eval();
      const unrecorded = (model: { forward(x: Tensor): Tensor }) => noGrad(() => run(model)); // other paths, with caches
      assert.equal(unrecorded(copy.eval()), unrecorded(adapted));
      assert.equal(unrecorded(inner.eval()), unrecorded(adapted));
      for (const [, module] of [...copy.namedModules(), ...inner.namedModules()]) {
        if (!(module instanceof LoraFA)) continue;
        module.B.grad = module.B.detach();
        module.correctGradient();
        module.zeroGrad();
      }
      assert.equal(
        warnings(() => adapted.parameters()),
        [],
      );
      const [before, others] = [run(adapted), new Set(adapted.parameters())];
      for (const p of [...copy.parameters(), ...inner.parameters()]) {
        assert.not(others.has(p));
        p.assign(new Float32Array(p.size).fill(0.1));
      }
      if (merged) copy.unmerge();
      copy.activate([]);
      copy.deleteAdapter("default");
      assert.equal(run(adapted), before);
      assert.equal(adapted.names, ["default", "other"]);
      if (merged) adapted.unmerge();
      assert.ok(
        adapted.disabled(() => mseLoss(adapted.forward(x), tensor(new Float32Array(6), [2, 3])).item()) >= 0,
      );
    }),
    { numRuns: 40 },
  );
});

test.run();
