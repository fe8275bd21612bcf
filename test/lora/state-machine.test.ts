/**
 * @file Any sequence of add, activate, train, merge, unmerge, disable, rows, compose, delete, save and load keeps an
 * adapted model in step with plain matrices: W0 + Σ ΔW over what is active or merged. Where the specification says that
 * a command makes no sense, the model must refuse it and stay as it was.
 */

import * as fc from "fast-check";
import { currentPrecision, mT, type NDArray, withPrecision } from "lowrank/core";
import { type AdaptedModel, type AdapterConfig, compose, inject, type Method, methods } from "lowrank/lora";
import { SGD } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Chain, output, randomize, refuses, same } from "./support/models.ts";
import { add, delta, type Matrix, type PlainAdapter, product, scaled } from "./support/plain-matrices.ts";

const test = suite("adapted models against plain matrices");

const layers = ["embed", "first", "second"] as const;
const batch = [
  [0, 3, 1],
  [4, 4, 2],
  [1, 0, 0],
];

type Parts = ReadonlyMap<string, PlainAdapter>;

/** The specification's state. */
interface Spec {
  readonly adapters: Map<string, Parts>;
  active: string[];
  training: string[];
  merged: string[];
  readonly saved: Map<string, { config: AdapterConfig; values: Map<string, Float64Array>; parts: Parts }>;
}

interface Real {
  readonly model: AdaptedModel<Chain>;
}

const rowsOf = ({ data, shape }: NDArray): Matrix => {
  const [rows, columns] = shape.length === 1 ? [1, shape[0]] : shape;
  return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * columns, (i + 1) * columns)));
};

const fresh = new Chain();
const W0: Record<string, Matrix> = {
  embed: rowsOf(mT(fresh.embed.weight.value)),
  first: rowsOf(fresh.first.weight.value),
  second: rowsOf(mT(fresh.second.weight.value)),
};
const bias: Record<string, readonly number[]> = {
  first: Array.from(fresh.first.bias?.toArray() ?? []),
  second: Array.from(fresh.second.bias.toArray()),
};
const base = {
  float32: output(fresh, batch),
  float64: withPrecision("float64", () => output(new Chain(), batch)),
};

/** What the library holds of an adapter, as plain numbers. */
function read(model: AdaptedModel<Chain>, name: string): Parts {
  return new Map(
    Array.from(model.adapter(name), ([path, part]) => {
      const parameters = Object.fromEntries(
        Array.from(part.namedParameters(), ([field, { value }]) => [field, rowsOf(value)]),
      );
      return [path, { method: part.method, scaling: part.scaling, parameters }];
    }),
  );
}

/** The specification's output for ids, with ΔW of these adapters. */
function expected(spec: Spec, names: readonly string[], ids: readonly (readonly number[])[]): number[] {
  const weight = (path: string): Matrix =>
    names.reduce((W, name) => {
      const part = spec.adapters.get(name)?.get(path);
      return part ? add(W, delta(part, W0[path])) : W;
    }, W0[path]);
  const [table, first, second] = layers.map(weight);
  const through = (W: Matrix, b: readonly number[], x: readonly number[]): number[] =>
    product(
      W,
      x.map((value) => [value]),
    ).map(([y], i) => y + b[i]);
  return ids.flat().flatMap((id) => {
    const x = table.map((row) => row[id]);
    return through(second, bias.second, through(first, bias.first, x));
  });
}

/**
 * Sums of at most 6 · (4 + 3 · 3) terms, three layers deep, round less than 300 times. What they are relative to is the
 * largest output; the terms of an output that cancels may be larger, 50 times at most where layers are so small. The
 * library's outputs are read as float32.
 */
function agree(actual: Float32Array, wanted: readonly number[], what: string): void {
  const scale = Math.max(1, ...wanted.map(Math.abs), ...actual.map(Math.abs));
  const unit = currentPrecision() === "float64" ? 2 ** -53 : 2 ** -24;
  const tolerance = (50 * 300 * unit + 2 ** -24) * scale;
  actual.forEach((y, i) => {
    assert.ok(Math.abs(y - wanted[i]) <= tolerance, `${what}: ${y} for ${wanted[i]}`);
  });
}

const acting = (spec: Spec): string[] => [...new Set([...spec.merged, ...spec.active])];

function agreeOnAll(spec: Spec, { model }: Real): void {
  assert.equal(model.names, [...spec.adapters.keys()]);
  assert.equal([...model.active], spec.active);
  assert.equal([...model.merged], spec.merged);
  agree(output(model, batch), expected(spec, acting(spec), batch), "outputs");
  assert.ok(
    same(
      model.disabled(() => output(model, batch)),
      base[currentPrecision()],
    ),
    "disabled",
  );
  for (const layer of model.layers.values()) {
    const here = spec.merged.some((name) => layer.adapters.has(name));
    assert.is(layer.base === layer.original, !here);
  }
  for (const { name, trainable } of model.status())
    assert.is(trainable > 0, spec.training.includes(name) && !spec.merged.includes(name), `${name} trains`);
}

interface Meaning {
  /** Why the command makes no sense now, or null. */
  readonly illegal: (spec: Spec) => RegExp | null;
  /** What the library is told. */
  readonly call: (model: AdaptedModel<Chain>) => unknown;
  /** What follows in the specification; with `model` to compare, `call` having been made. */
  readonly follows?: (spec: Spec, model: AdaptedModel<Chain>) => void;
}

const command = (name: string, { illegal, call, follows }: Meaning): fc.Command<Spec, Real> => ({
  check: () => true,
  toString: () => name,
  run(spec, { model }) {
    const why = illegal(spec);
    if (why) refuses(() => call(model), why);
    else {
      call(model);
      follows?.(spec, model);
    }
    agreeOnAll(spec, { model });
  },
});

const unknown = (spec: Spec, names: readonly string[]): RegExp | null =>
  names.every((name) => spec.adapters.has(name))
    ? null
    : /expected one of|no adapters|is merged|is not merged/;
const taken = (spec: Spec, name: string): RegExp | null => (spec.adapters.has(name) ? /not taken/ : null);
const silenced = (spec: Spec, names: readonly string[]): RegExp | null =>
  spec.merged.every((name) => names.includes(name)) ? null : /is merged and not among them/;
const isMerged = (spec: Spec, name: string): RegExp | null =>
  spec.merged.includes(name) ? /is merged; unmerge/ : null;

const addAdapter = (name: string, method: Method, rank: number, target: string[], seed: number) =>
  command(`add(${name}, ${method}, r ${rank}, [${target}])`, {
    illegal: (spec) => taken(spec, name),
    call: (model) => model.addAdapter(name, { method, rank, alpha: 2, target, seed }),
    follows(spec, model) {
      const y = model.withAdapters([...spec.merged, name], () => output(model, batch));
      agree(y, expected(spec, spec.merged, batch), "a new adapter is the identity");
      randomize(model, name, seed);
      spec.adapters.set(name, read(model, name));
    },
  });

const activate = (names: string[]) =>
  command(`activate([${names}])`, {
    illegal: (spec) => unknown(spec, names) ?? silenced(spec, names),
    call: (model) => model.activate(names),
    follows(spec) {
      spec.active = [...names];
      spec.training = [...names];
    },
  });

const trainOnly = (name: string) =>
  command(`trainOnly(${name})`, {
    illegal: (spec) => unknown(spec, [name]) ?? isMerged(spec, name),
    call: (model) => model.trainOnly(name),
    follows(spec) {
      spec.training = [name];
    },
  });

const train = () =>
  command("train()", {
    illegal: (spec) => (spec.merged.length > 0 ? /train: .* is merged/ : null),
    call: (model) => model.train(),
    follows(spec, model) {
      if (!spec.training.some((name) => spec.active.includes(name))) return; // nothing that trains acts
      const optimizer = new SGD(model.parameters(), { lr: 1e-3 });
      model.zeroGrad();
      model.forward(batch).mean().backward();
      optimizer.step();
      for (const [name, before] of spec.adapters) {
        const after = read(model, name);
        if (!spec.training.includes(name)) assert.equal(after, before, `${name} is frozen`);
        spec.adapters.set(name, after);
      }
    },
  });

const merge = (names: string[]) =>
  command(`merge([${names}])`, {
    illegal(spec) {
      if (names.length === 0) return /none is named/;
      return (
        unknown(spec, names) ?? (names.some((name) => spec.merged.includes(name)) ? /merged already/ : null)
      );
    },
    call: (model) => model.merge(names, { safe: true }),
    follows(spec) {
      spec.merged.push(...names);
    },
  });

const unmerge = (names: string[]) =>
  command(`unmerge([${names}])`, {
    illegal(spec) {
      if (names.length === 0) return spec.merged.length === 0 ? /nothing is merged/ : null;
      return (
        unknown(spec, names) ?? (names.every((name) => spec.merged.includes(name)) ? null : /is not merged/)
      );
    },
    call: (model) => (names.length === 0 ? model.unmerge() : model.unmerge(names)),
    follows(spec) {
      spec.merged = names.length === 0 ? [] : spec.merged.filter((name) => !names.includes(name));
    },
  });

const withAdapters = (names: string[]) =>
  command(`withAdapters([${names}])`, {
    illegal: (spec) => unknown(spec, names) ?? silenced(spec, names),
    call: (model) => model.withAdapters(names, () => output(model, batch)),
    follows(spec, model) {
      const y = model.withAdapters(names, () => output(model, batch));
      agree(y, expected(spec, names, batch), "withAdapters");
      const failing = (): never => {
        throw new Error("inside");
      };
      assert.throws(() => model.withAdapters(names, failing), /inside/);
    },
  });

const withRows = (rows: (string | null)[]) =>
  command(`withRows([${rows}])`, {
    illegal(spec) {
      if (spec.merged.length > 0) return /is merged; unmerge/;
      const named = rows.filter((row) => row !== null);
      return unknown(spec, named);
    },
    call: (model) => model.withRows(rows, () => output(model, batch)),
    follows(spec, model) {
      const y = model.withRows(rows, () => output(model, batch));
      const wanted = rows.flatMap((row, i) => expected(spec, row === null ? [] : [row], [batch[i]]));
      agree(y, wanted, "withRows");
    },
  });

const remove = (name: string) =>
  command(`delete(${name})`, {
    illegal: (spec) => unknown(spec, [name]) ?? isMerged(spec, name),
    call: (model) => model.deleteAdapter(name),
    follows(spec) {
      spec.adapters.delete(name);
      spec.active = spec.active.filter((other) => other !== name);
      spec.training = spec.training.filter((other) => other !== name);
    },
  });

/** Half of the first source, less half of the second, and half of the third. */
const half = (i: number): number => (i % 2 === 0 ? 0.5 : -0.5);

const composeHalves = (name: string, sources: string[]) =>
  command(`compose(${name}, [${sources}])`, {
    illegal: (spec) => taken(spec, name) ?? (sources.length === 0 ? /at least one/ : unknown(spec, sources)),
    call: (model) => compose(model, name, Object.fromEntries(sources.map((source, i) => [source, half(i)]))),
    follows(spec, model) {
      spec.adapters.set(name, read(model, name));
      for (const path of layers) {
        const zero = scaled(W0[path], 0);
        const deltaOf = (of: string): Matrix => {
          const part = spec.adapters.get(of)?.get(path);
          return part ? delta(part, W0[path]) : zero;
        };
        const sum = sources.reduce((total, source, i) => add(total, scaled(deltaOf(source), half(i))), zero);
        agree(Float32Array.from(deltaOf(name).flat()), sum.flat(), `composed ${path}`);
      }
    },
  });

const save = (name: string) =>
  command(`save(${name})`, {
    illegal: (spec) => unknown(spec, [name]),
    call: (model) => model.adapter(name),
    follows(spec, model) {
      const values = Array.from(model.adapter(name), ([path, part]) =>
        Array.from(part.namedParameters(), ([field, { value }]): [string, Float64Array] => [
          `${path}.${field}`,
          Float64Array.from(value.data),
        ]),
      );
      const parts = spec.adapters.get(name) as Parts;
      spec.saved.set(name, { config: model.config(name), values: new Map(values.flat()), parts });
    },
  });

/** Loads what was saved under `source` as a new adapter; when nothing was, adds and deletes one. */
const load = (source: string, name: string) =>
  command(`load(${source} as ${name})`, {
    illegal: (spec) => taken(spec, name),
    call: (model) => model.addAdapter(name, { rank: 1, target: "first" }),
    follows(spec, model) {
      model.deleteAdapter(name);
      const saved = spec.saved.get(source);
      if (!saved) return;
      model.addAdapter(name, saved.config);
      for (const [path, part] of model.adapter(name)) {
        for (const [field, parameter] of part.namedParameters())
          parameter.assign(saved.values.get(`${path}.${field}`) as Float64Array);
      }
      spec.adapters.set(name, saved.parts);
      assert.equal(read(model, name), saved.parts);
    },
  });

const name = fc.constantFrom("a", "b", "c");
const names = fc.uniqueArray(name, { maxLength: 3 });
const method = fc.constantFrom(...(Object.keys(methods) as Method[]));
const target = fc.uniqueArray(fc.constantFrom(...layers), { minLength: 1 });
const commands = [
  fc.tuple(name, method, fc.integer({ min: 1, max: 3 }), target, fc.nat(1000)).map((of) => addAdapter(...of)),
  names.map(activate),
  name.map(trainOnly),
  fc.constant(train()),
  names.map(merge),
  names.map(unmerge),
  names.map(withAdapters),
  fc.tuple(fc.option(name), fc.option(name), fc.option(name)).map(withRows),
  name.map(remove),
  fc.tuple(name, names).map((of) => composeHalves(...of)),
  name.map(save),
  fc.tuple(name, name).map((of) => load(...of)),
];

/** A model with the adapters a and b, of which a is active. */
function start(): { model: Spec; real: Real } {
  const model = inject(new Chain(), { rank: 2, alpha: 2, target: [...layers], seed: 1, name: "a" });
  model.addAdapter("b", { method: "dora", rank: 1, alpha: 2, target: ["first", "second"], seed: 2 });
  randomize(model, "a", 1);
  randomize(model, "b", 2);
  const adapters = new Map(["a", "b"].map((name) => [name, read(model, name)]));
  return {
    model: { adapters, active: ["a"], training: ["a"], merged: [], saved: new Map() },
    real: { model },
  };
}

for (const precision of ["float32", "float64"] as const) {
  test(`in ${precision} any sequence of commands keeps the model in step with W0 + Σ ΔW`, () => {
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 25, size: "max" }), (sequence) => {
        withPrecision(precision, () => fc.modelRun(start, sequence));
      }),
      { numRuns: 150 },
    );
  });
}

test("the specification itself: W0 and no adapter is the base model", () => {
  agree(base.float32, expected(start().model, [], batch), "base");
});

test.run();
