/** @file Quantized models in files: names and bytes of bitsandbytes, round trips, and damaged files. */

import { join } from "node:path";
import * as fc from "fast-check";
import {
  array,
  CheckpointError,
  makeTemporaryFolder,
  parseSafetensors,
  random,
  removeFile,
  serializeSafetensors,
  type TensorBytes,
  tensorBytes,
} from "lowrank/core";
import { Conv1D, LayerNorm, Linear, Module } from "lowrank/nn";
import {
  type Format,
  formats,
  loadQuantized,
  loadQuantizedState,
  packedState,
  type QuantizedLinear,
  QuantizedTensor,
  quantize,
  quantizedLayers,
  quantizedState,
  quantizeModel,
  saveQuantized,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("quantized state");

class Net extends Module {
  first: Module;
  norm = new LayerNorm(8);
  last: Module;
  lm_head: Linear;
  constructor(seed: number) {
    super();
    this.first = new Linear(40, 8, { rng: random(seed) });
    this.last = new Conv1D(8, 9, { rng: random(seed + 1) });
    this.lm_head = new Linear(9, 2, { rng: random(seed + 2) });
  }
}

const quantized = (format: Format = "nf4", doubleQuant = true): Net => {
  const net = new Net(1);
  quantizeModel(net, { format, doubleQuant: doubleQuant && format !== "int8-rows" });
  return net;
};

type Entries = Map<string, TensorBytes>;
const reread = (entries: Entries) => parseSafetensors(serializeSafetensors(entries)).tensors;

const same = (a: Entries, b: Entries): void => {
  assert.equal([...a.keys()].sort(), [...b.keys()].sort());
  for (const [name, { dtype, shape, bytes }] of a) {
    const other = b.get(name) as TensorBytes;
    assert.equal([dtype, shape, bytes], [other.dtype, other.shape, other.bytes], name);
  }
};

test("the names are bitsandbytes', the JSON is Python's", () => {
  const net = quantized();
  const state = quantizedState(net);
  assert.equal(
    [...state.keys()].filter((name) => name.startsWith("first")),
    [
      "first.bias",
      "first.weight",
      "first.weight.absmax",
      "first.weight.quant_map",
      "first.weight.nested_absmax",
      "first.weight.nested_quant_map",
      "first.weight.quant_state.bitsandbytes__nf4",
    ],
  );
  const json = (offset: number): string => {
    const q = new QuantizedTensor({
      format: "nf4",
      shape: [1, 32],
      blockSize: 32,
      packed: new Uint8Array(16),
      absmax: { codes: Uint8Array.of(0), absmax: Float32Array.of(1), offset },
    });
    const entry = packedState(q).get("quant_state.bitsandbytes__nf4") as TensorBytes;
    return new TextDecoder().decode(entry.bytes);
  };
  const head =
    '{"quant_type": "nf4", "blocksize": 32, "dtype": "float32", "shape": [1, 32], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": ';
  // What json.dumps of Python 3 writes for these doubles.
  for (const [offset, text] of [
    [0, "0.0"],
    [3, "3.0"],
    [Math.fround(0.1), "0.10000000149011612"],
    [2 ** -10, "0.0009765625"],
    [2 ** -14, "6.103515625e-05"],
    [2 ** -30, "9.313225746154785e-10"],
    [2 ** 60, "1.152921504606847e+18"],
    [Math.fround(1e15), "999999986991104.0"],
  ] as const)
    assert.is(json(offset), `${head}${text}}`);
});

test("saving and loading gives the same bytes, from a dense or a quantized model of other values", () => {
  const folder = makeTemporaryFolder("lowrank-test-");
  const path = join(folder, "model.safetensors");
  try {
    for (const format of formats) {
      for (const doubleQuant of [false, true]) {
        const net = quantized(format, doubleQuant);
        saveQuantized(net, path);
        for (const other of [new Net(50), quantized("int4")]) {
          loadQuantized(other, path, { computeDtype: "bfloat16" });
          same(quantizedState(other), quantizedState(net));
          assert.instance(other.lm_head, Linear);
          assert.is((other.last as QuantizedLinear).kind, "conv1d");
          assert.is((other.last as QuantizedLinear).computeDtype, "bfloat16");
        }
      }
    }
  } finally {
    removeFile(folder);
  }
});

const refuses = (change: (entries: Entries) => void, message: RegExp, into = new Net(9)): void => {
  const entries = quantizedState(quantized());
  change(entries);
  const before = quantizedState(into);
  assert.throws(
    () => loadQuantizedState(into, reread(entries)),
    (error: Error) => error instanceof CheckpointError && message.test(error.message),
    String(message),
  );
  same(quantizedState(into), before);
};

const STATE = "first.weight.quant_state.bitsandbytes__nf4";
const json = (text: string): TensorBytes => {
  const bytes = new TextEncoder().encode(text);
  return tensorBytes("U8", [bytes.length], bytes);
};
const cut = (entries: Entries, name: string): void => {
  const { dtype, shape, bytes } = entries.get(name) as TensorBytes;
  const [length, ...rest] = shape;
  const item = bytes.length / length;
  entries.set(name, { dtype, shape: [length - 1, ...rest], bytes: bytes.slice(0, -item) });
};

test("missing, unexpected, misshapen and truncated entries are refused, and the model is unchanged", () => {
  refuses((e) => e.delete("norm.weight"), /missing: norm\.weight/);
  refuses((e) => e.set("more", tensorBytes("F32", [1], [1])), /unexpected: more/);
  refuses(
    (e) => e.set("lm_head.bias", tensorBytes("F32", [3], [1, 2, 3])),
    /misshapen: lm_head\.bias \(expected \[2\], got \[3\]\)/,
  );
  refuses((e) => e.delete("first.weight.absmax"), /expected an entry first\.weight\.absmax/);
  refuses((e) => e.delete(STATE), /unexpected: first\.weight\.absmax|misshapen|first\.weight: expected/);
  for (const part of ["", ".absmax", ".nested_absmax", ".quant_map", ".nested_quant_map"])
    refuses((e) => cut(e, `first.weight${part}`), /first\.weight: .*expected/);
  refuses((e) => cut(e, STATE), /quant_state: not JSON/);
});

test("invalid options are refused before the model is changed", () => {
  const entries = quantizedState(quantized());
  for (const options of [{ computeDtype: "float17" }, { computeDType: "bfloat16" }]) {
    const net = new Net(5);
    const before = `${net} ${net.parameters().map((p) => p.toArray())}`;
    assert.throws(() => loadQuantizedState(net, reread(entries), options as never), /computeDtype/);
    assert.is(`${net} ${net.parameters().map((p) => p.toArray())}`, before);
  }
});

test("a description that does not match the entries is refused", () => {
  const good =
    '{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [8, 40], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.125}';
  const lies: [string, string, RegExp][] = [
    ['"nf4"', '"fp4"', /quant_state: expected one of/],
    ['"nf4"', "4", /quant_state: expected one of/],
    ["64", "32", /expected 10 bytes; got 5/],
    ["64", "63", /expected blockSize to be a power of two/],
    ["64", "-64", /expected a blocksize/],
    ["[8, 40]", "[8, 48]", /packed: expected 192 bytes; got 160/],
    ["[8, 40]", "[10, 32]", /first: expected \[8, 40\], got \[10, 32\]/],
    ["[8, 40]", "[320]", /expected a shape \[out, in\]/],
    ["[8, 40]", "[8, 4e300]", /expected a shape \[out, in\]/],
    ["256", "128", /nested absmax in float32 and blocks of 256/],
    ["0.125", "1e39", /nested_offset, a float32/],
    ["0.125", "null", /nested_offset, a float32/],
    ["{", "[", /quant_state: not JSON/],
  ];
  for (const [from, to, message] of lies) refuses((e) => e.set(STATE, json(good.replace(from, to))), message);
  refuses((e) => {
    const values = Float32Array.from({ length: 16 }, (_, i) => i / 15);
    e.set("first.weight.quant_map", tensorBytes("F32", [16], values));
  }, /quant_map: expected the values of the format/);
  refuses(
    (e) => e.set("first.weight.nested_absmax", tensorBytes("F32", [1], [Number.NaN])),
    /finite magnitudes/,
  );
  refuses((e) => {
    const packed = (e.get("first.weight") as TensorBytes).bytes;
    e.set("first.weight", tensorBytes("F32", [packed.length], Float32Array.from(packed)));
  }, /weight: expected U8; got F32/);
});

test("a layer that the model lacks, or that is quantized in the model but dense in the file, is refused", () => {
  const entries = packedState(quantize(array(new Float32Array(6).fill(1), [2, 3])));
  refuses((e) => {
    for (const [key, entry] of entries) e.set(key ? `more.weight.${key}` : "more.weight", entry);
  }, /more: expected a linear layer of that name/);
  const dense = new Net(3);
  const net = quantized();
  assert.throws(
    () => loadQuantizedState(net, reread(quantizedState(dense))),
    /first: quantized in the model, expected its quant_state in the file/,
  );
  assert.is([...quantizedLayers(net)].length, 2);
});

test("random damage to a quant_state is a CheckpointError, or leaves format, block size and shape as they were", () => {
  const text = new TextDecoder().decode((quantizedState(quantized()).get(STATE) as TensorBytes).bytes);
  const damage = fc.record({ at: fc.nat(text.length - 1), to: fc.constantFrom(...'0{}[],:-e "x9') });
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (changes) => {
      const characters = [...text];
      for (const { at, to } of changes) characters[at] = to;
      const entries = quantizedState(quantized());
      entries.set(STATE, json(characters.join("")));
      const net = new Net(4);
      try {
        loadQuantizedState(net, reread(entries));
      } catch (error) {
        return error instanceof CheckpointError;
      }
      // Only the mean of absmax, the dtype it was and the spelling may differ then.
      const { packed } = net.first as QuantizedLinear;
      return packed.format === "nf4" && packed.blockSize === 64 && packed.shape[0] === 8;
    }),
  );
});

test.run();
