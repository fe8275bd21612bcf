import * as fc from "fast-check";
import { CheckpointError } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Dtype,
  dtypes,
  encode,
  itemBytes,
  type WritableDtype,
} from "../../../core/files/safetensors/dtype.ts";
import { parseSafetensors, type SafetensorsContent } from "../../../core/files/safetensors/read.ts";
import type { TensorBytes } from "../../../core/files/safetensors/tensor.ts";
import { serializeSafetensors, tensorBytes } from "../../../core/files/safetensors/write.ts";

const test = suite("safetensors");

const text = (string: string) => new TextEncoder().encode(string);

/** A file with this header, whatever it says, and `dataLength` bytes of data counting up from 1. */
function fileOf(header: string | Uint8Array, dataLength = 0): Uint8Array {
  const json = typeof header === "string" ? text(header) : header;
  const file = new Uint8Array(8 + json.length + dataLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  for (let i = 0; i < dataLength; i++) file[8 + json.length + i] = i + 1;
  return file;
}

function refused(bytes: Uint8Array, message: RegExp): void {
  try {
    parseSafetensors(bytes);
  } catch (error) {
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`accepted, expected ${message}`);
}

const sameTensor = (a: TensorBytes | undefined, b: TensorBytes): boolean =>
  a !== undefined &&
  a.dtype === b.dtype &&
  a.shape.join() === b.shape.join() &&
  a.bytes.length === b.bytes.length &&
  a.bytes.every((byte, i) => byte === b.bytes[i]);

// --- A file, byte by byte

test("a file is a length, a header, and little-endian values", () => {
  const file = serializeSafetensors([["a", tensorBytes("F32", [2], [1, -2])]], { metadata: new Map() });
  const header = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  ';
  assert.is(header.length, 56);
  assert.equal([...file.subarray(0, 8)], [56, 0, 0, 0, 0, 0, 0, 0]);
  assert.is(new TextDecoder().decode(file.subarray(8, 64)), header);
  assert.equal([...file.subarray(64)], [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
  const { tensors, metadata } = parseSafetensors(file);
  assert.equal([...tensors.keys()], ["a"]);
  assert.equal(tensors.get("a")!.values(), Float32Array.of(1, -2));
  assert.equal(tensors.get("a")!.shape, [2]);
  assert.is(metadata.size, 0);
});

test("every format is read, from any offset, exactly", () => {
  const bytes = [0x00, 0x3c, 0x80, 0xbf, 0x01, 0x00, 0xff, 0xff];
  const values: Record<Exclude<Dtype, "BOOL">, unknown> = {
    U8: Uint8Array.from(bytes),
    I8: Int8Array.of(0, 60, -128, -65, 1, 0, -1, -1),
    F8_E5M2: Float32Array.of(0, 1, -0, -1.75, 2 ** -16, 0, Number.NaN, Number.NaN),
    F8_E4M3: Float32Array.of(0, 1.5, -0, -1.875, 2 ** -9, 0, Number.NaN, Number.NaN),
    I16: Int16Array.of(0x3c00, -16512, 1, -1),
    U16: Uint16Array.of(0x3c00, 0xbf80, 1, 0xffff),
    F16: Float32Array.of(1, -1.875, 2 ** -24, Number.NaN),
    BF16: Float32Array.of(0.0078125, -1, 2 ** -133, Number.NaN),
    I32: Int32Array.of(-1082115072, -65535),
    U32: Uint32Array.of(0xbf803c00, 0xffff0001),
    F32: new Float32Array(Uint32Array.of(0xbf803c00, 0xffff0001).buffer),
    F64: new Float64Array(BigUint64Array.of(0xffff0001bf803c00n).buffer),
    I64: BigInt64Array.of(0xffff0001bf803c00n - 2n ** 64n),
    U64: BigUint64Array.of(0xffff0001bf803c00n),
  };
  for (const [dtype, expected] of Object.entries(values)) {
    for (const padding of ["", " ", "  ", "   "]) {
      const length = 8 / itemBytes[dtype as Dtype];
      const entry = `{"x":{"dtype":"${dtype}","shape":[${length}],"data_offsets":[0,8]}}`;
      const file = fileOf(entry + padding, 8);
      file.set(bytes, file.length - 8);
      const read = parseSafetensors(file).tensors.get("x")!.values();
      assert.is(read.constructor, (expected as object).constructor);
      assert.equal([...read].map(String), [...(expected as Uint8Array)].map(String), dtype);
    }
  }
  const booleans = fileOf('{"x":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', 1);
  assert.equal(parseSafetensors(booleans).tensors.get("x")!.values(), Uint8Array.of(1));
});

test("values() is a copy: changing it changes nothing in the file", () => {
  const file = serializeSafetensors([["a", tensorBytes("U8", [2], [1, 2])]]);
  const before = file.slice();
  parseSafetensors(Buffer.from(file.buffer))
    .tensors.get("a")!
    .values()
    .fill(9 as never);
  assert.equal(file, before);
});

test("names and metadata with escapes, any alphabet, and JavaScript's own words are kept apart", () => {
  const names = [
    "",
    "ü",
    "\u{1f600}",
    "\ufeffa",
    "a",
    '"',
    "\\",
    "\n\u0001",
    "toString",
    "hasOwnProperty",
    "0",
  ];
  const tensors = names.map((name, i) => [name, tensorBytes("U8", [1], [i])] as const);
  const metadata = new Map(names.map((name, i) => [name, `${i}${name}`]));
  const read = parseSafetensors(serializeSafetensors(tensors, { order: "given", metadata }));
  assert.equal(
    [...read.tensors].map(([name, tensor]) => [name, tensor.values()[0]]),
    names.map((n, i) => [n, i]),
  );
  assert.equal(read.metadata, metadata);
});

// --- Laws

const anyTensor: fc.Arbitrary<TensorBytes> = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(3), { maxLength: 3 }) })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((product, n) => product * n, 1) * itemBytes[dtype];
    const bytes = fc.uint8Array({ minLength: length, maxLength: length, max: dtype === "BOOL" ? 1 : 255 });
    return bytes.map((bytes) => ({ dtype, shape, bytes }));
  });
const anyName = fc.oneof(
  fc.constantFrom("a", "b", "h.0.weight", "\u{10000}", "\uffee"),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);
const anyTensors = fc.uniqueArray(fc.tuple(anyName, anyTensor), { maxLength: 6, selector: ([name]) => name });
const anyMetadata = fc
  .uniqueArray(fc.tuple(anyName, fc.string({ unit: "grapheme" })), {
    maxLength: 3,
    selector: ([name]) => name,
  })
  .map((entries) => new Map(entries));

test("parsing undoes writing, and writing again gives the same bytes", () => {
  fc.assert(
    fc.property(anyTensors, anyMetadata, (tensors, metadata) => {
      const file = serializeSafetensors(tensors, { metadata });
      const read = parseSafetensors(file);
      assert.is(read.tensors.size, tensors.length);
      for (const [name, tensor] of tensors) assert.ok(sameTensor(read.tensors.get(name), tensor), name);
      assert.equal(read.metadata, metadata);
      assert.equal(serializeSafetensors(read.tensors, { metadata, order: "given" }), file);
    }),
  );
});

test("the order in which tensors are given does not matter, unless asked for", () => {
  fc.assert(
    fc.property(anyTensors, (tensors) => {
      assert.equal(serializeSafetensors(tensors), serializeSafetensors([...tensors].reverse()));
      const given = parseSafetensors(serializeSafetensors(tensors, { order: "given" }));
      assert.equal(
        [...given.tensors.keys()],
        tensors.map(([name]) => name),
      );
    }),
  );
});

test("the order is the safetensors library's: wide formats first, then names as UTF-8 sorts them", () => {
  const one = (dtype: Dtype): TensorBytes => ({ dtype, shape: [1], bytes: new Uint8Array(itemBytes[dtype]) });
  const given: [string, Dtype][] = [
    ["a", "U8"],
    ["\u{10000}", "F32"],
    ["\uffee", "F32"],
    ["b.10", "F32"],
    ["b.1", "F32"],
    ["B", "F32"],
    ["z", "I64"],
    ["c", "F16"],
    ["d", "BF16"],
    ["e", "I32"],
    ["f", "F8_E4M3"],
    ["g", "F8_E5M2"],
    ["h", "I8"],
  ];
  const file = serializeSafetensors(given.map(([name, dtype]) => [name, one(dtype)]));
  const sorted = ["z", "B", "b.1", "b.10", "\uffee", "\u{10000}", "e", "d", "c", "f", "g", "h", "a"];
  assert.equal([...parseSafetensors(file).tensors.keys()], sorted);
});

test("encode then decode is rounding to the format", () => {
  const kinds: readonly WritableDtype[] = ["F64", "F32", "F16", "BF16"];
  const rounded = [1 / 3, Math.fround(1 / 3), 0.333251953125, 0.333984375];
  for (const [i, dtype] of kinds.entries()) {
    const tensor = tensorBytes(dtype, [1], [1 / 3]);
    assert.is(
      parseSafetensors(serializeSafetensors([["x", tensor]]))
        .tensors.get("x")!
        .floats()[0],
      rounded[i],
    );
  }
  assert.equal(encode("I32", [-(2 ** 31), 2 ** 31 - 1]), Uint8Array.of(0, 0, 0, 128, 255, 255, 255, 127));
  assert.throws(() => encode("I32", [0, 2 ** 31]), /I32; got value 2147483648, index 1/);
  assert.throws(() => encode("U8", [0.5]), /from 0 to 255/);
  assert.throws(() => encode("U8", [-1]), /from 0 to 255/);
  assert.throws(() => encode("BOOL", [2]), /from 0 to 1/);
  assert.throws(() => encode("I32", [Number.NaN]), /NaN/);
});

test("floats() and integers() refuse what they would distort", () => {
  const file = serializeSafetensors([
    ["f", tensorBytes("F16", [1], [2])],
    ["i", { dtype: "I64", shape: [2], bytes: new Uint8Array(BigInt64Array.of(7n, -3n).buffer) }],
    ["big", { dtype: "U32", shape: [1], bytes: Uint8Array.of(0, 0, 0, 128) }],
    ["bool", tensorBytes("BOOL", [2], [0, 1])],
  ]);
  const { tensors } = parseSafetensors(file, "x.safetensors");
  assert.equal(tensors.get("f")!.floats(), Float32Array.of(2));
  assert.equal(tensors.get("i")!.integers(), Int32Array.of(7, -3));
  assert.equal(tensors.get("bool")!.integers(), Int32Array.of(0, 1));
  assert.throws(() => tensors.get("i")!.floats(), /x\.safetensors: tensor "i" \[2\] is I64; expected floats/);
  assert.throws(() => tensors.get("f")!.integers(), /is F16; expected integers/);
  assert.throws(() => tensors.get("big")!.integers(), /element 0 is 2147483648/);
});

test("writing refuses what reading would refuse", () => {
  const one = tensorBytes("U8", [1], [1]);
  for (const name of ["__metadata__", "__proto__", "a.constructor", "prototype.b", "\ud800"]) {
    assert.throws(() => serializeSafetensors([[name, one]]), /without tricks/);
  }
  assert.throws(
    () => serializeSafetensors([], { metadata: new Map([["__proto__", "x"]]) }),
    /without tricks/,
  );
  assert.throws(() => serializeSafetensors([], { metadata: new Map([["x", "\udc00"]]) }), /Unicode/);
  assert.throws(
    () =>
      serializeSafetensors([
        ["a", one],
        ["a", one],
      ]),
    /distinct names; got twice "a"/,
  );
  assert.throws(
    () => serializeSafetensors([["a", { ...one, shape: [2] }]]),
    /bytes that dtype and shape need/,
  );
  assert.throws(() => tensorBytes("F32", [2, 2], [1, 2, 3]), /shape \[2, 2\], values 3/);
});

// --- Hostile files

const good =
  '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}';
const replaced = (from: string, to: string) => {
  assert.ok(good.includes(from));
  return fileOf(good.replace(from, to), 3);
};

test("zero-size tensors, scalars, an empty file and padding are legal", () => {
  parseSafetensors(fileOf(good, 3));
  parseSafetensors(fileOf(`${good}   `, 3));
  parseSafetensors(fileOf("{}"));
  const corners = parseSafetensors(
    fileOf(
      '{"z":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"s":{"dtype":"U8","shape":[],"data_offsets":[0,1]},' +
        '"e":{"dtype":"F64","shape":[3,0],"data_offsets":[1,1]},"__metadata__":{}}',
      1,
    ),
  ).tensors;
  assert.equal(corners.get("z")!.values(), new Float32Array());
  assert.equal(corners.get("s")!.values(), Uint8Array.of(1));
  assert.equal(corners.get("e")!.shape, [3, 0]);
});

test("a wrong length of the header is refused", () => {
  refused(new Uint8Array(), /0 bytes are too few/);
  refused(new Uint8Array(7), /7 bytes are too few/);
  refused(new Uint8Array(8), /cannot hold/);
  refused(fileOf("{}").subarray(0, 9), /2 bytes, the file only 1/);
  const huge = fileOf("{}");
  new DataView(huge.buffer).setBigUint64(0, 2n ** 64n - 1n, true);
  refused(huge, /18446744073709551615 bytes is over the cap of 100000000/);
  new DataView(huge.buffer).setBigUint64(0, 100_000_001n, true);
  refused(huge, /over the cap/);
});

test("other kinds of file are recognised", () => {
  refused(text("PK\x03\x04 and more of it"), /zip archive, as torch\.save writes/);
  refused(Uint8Array.of(0x80, 2, 0x63, 0x5f, 0x5f, 0x62, 0x75, 0x69, 0x6c, 0x74), /Python pickle/);
  refused(text("version https://git-lfs.github.com/spec/v1\noid sha256:0"), /Git LFS pointer/);
  refused(text("<!DOCTYPE html><html>"), /web page/);
  refused(text('{"model_type": "gpt2"}'), /looks like JSON/);
});

test("a header that is not exactly the grammar is refused, with the byte", () => {
  refused(fileOf("[]"), /begin with \{ \(byte 8\)/);
  refused(fileOf(" {}"), /begin with \{/);
  refused(fileOf("\ufeff{}"), /begin with \{/);
  refused(fileOf("{} x"), /goes on after its object ends \(byte 11\)/);
  refused(fileOf("{}\0"), /goes on/);
  refused(fileOf("{,}"), /expected a name/);
  refused(fileOf('{"a"}'), /colon/);
  refused(fileOf('{"a":1}'), /expected an object \(byte 13\)/);
  refused(fileOf('{"a":null}'), /expected an object/);
  refused(fileOf('{"a":{}'), /needs dtype, shape and data_offsets|comma or the end/);
  refused(fileOf("{'a':{}}"), /expected a name/);
  refused(fileOf('{"a'), /does not end \(byte 9\)/);
  refused(fileOf('{"a\\"'), /does not end/);
  refused(fileOf('{"a\\'), /does not end/);
  refused(fileOf('{"\\x":{}}'), /wrong escape/);
  refused(fileOf('{"\\ud800":{}}'), /not valid Unicode/);
  refused(fileOf('{"\n":{}}'), /control character \(byte 10\)/);
  refused(fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7d)), /not valid UTF-8/);
  refused(fileOf(Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x7d)), /not valid UTF-8/); // overlong /
  refused(fileOf(`{"a":${"[".repeat(1_000_000)}`), /expected an object/);
  refused(fileOf(`{"a":${'{"a":'.repeat(1_000_000)}`), /unknown field/);
});

test("duplicate names are refused, however they are spelt", () => {
  refused(replaced('"b"', '"a"'), /duplicate tensor "a" \(byte 61\)/);
  refused(replaced('"b"', '"\\u0061"'), /duplicate tensor "a"/);
  refused(replaced('"shape":[2]', '"shape":[2],"shape":[2]'), /"a": duplicate shape/);
  refused(replaced('"dtype":"U8"', '"dtype":"U8","dtype":"I8"'), /duplicate dtype/);
  refused(
    replaced('"data_offsets":[0,2]', '"data_offsets":[0,2],"data_offsets":[0,2]'),
    /duplicate data_offsets/,
  );
  refused(fileOf('{"__metadata__":{},"__metadata__":{}}'), /duplicate metadata/);
  refused(fileOf('{"__metadata__":{"k":"1","k":"2"}}'), /duplicate metadata "k"/);
});

test("names that reach into prototypes are refused", () => {
  refused(replaced('"a"', '"__proto__"'), /__proto__.*prototypes/);
  refused(replaced('"a"', '"\\u005f_proto__"'), /__proto__.*prototypes/);
  refused(replaced('"a"', '"h.constructor.weight"'), /constructor/);
  refused(replaced('"a"', '"prototype"'), /prototype/);
  refused(fileOf('{"__metadata__":{"__proto__":"x"}}'), /__proto__/);
  assert.not.ok("x" in {});
});

test("metadata that is not texts is refused", () => {
  for (const value of ["1", "null", "{}", "[]", "true"]) {
    refused(fileOf(`{"__metadata__":{"k":${value}}}`), /metadata "k" must be a text/);
  }
  refused(fileOf('{"__metadata__":"x"}'), /expected an object/);
  refused(fileOf('{"__metadata__":null}'), /expected an object/);
});

test("formats, shapes and offsets out of range are refused, with the tensor", () => {
  refused(
    replaced('"U8"', '"F8_E8M0"'),
    /tensor "a": unknown dtype "F8_E8M0"; known are BOOL, .*\. Convert the tensor to F32, F16 or BF16 first/,
  );
  refused(replaced('"U8"', '"toString"'), /unknown dtype/);
  refused(replaced('"U8"', "8"), /dtype must be a text/);
  refused(replaced('"dtype":"U8",', ""), /"a": needs dtype/);
  refused(replaced('"dtype"', '"dtypo"'), /unknown field "dtypo"/);
  refused(replaced("[2]", "[-2]"), /tensor "a": shape: expected non-negative integers/);
  refused(replaced("[2]", "[2.0]"), /non-negative integers/);
  refused(replaced("[2]", "[2e0]"), /non-negative integers/);
  refused(replaced("[2]", "[02]"), /non-negative integers/);
  refused(replaced("[2]", '["2"]'), /non-negative integers/);
  refused(replaced("[2]", "[2,]"), /non-negative integers/);
  refused(replaced("[2]", "2"), /shape as a list/);
  refused(replaced("[2]", "[9007199254740992]"), /beyond 2\^53/);
  refused(replaced("[2]", `[${"9".repeat(400)}]`), /beyond 2\^53/);
  refused(replaced("[2]", "[4503599627370496,4503599627370496]"), /shape .* overflows/);
  refused(replaced("[2]", "[4503599627370496,4503599627370496,0]"), /shape .* overflows/);
  refused(replaced("[2]", "[3]"), /U8 of shape \[3\] needs 3 bytes, data_offsets \[0, 2\] hold 2/);
  refused(replaced('"U8"', '"F32"'), /F32 of shape \[2\] needs 8 bytes/);
  refused(replaced("[0,2]", "[-0,2]"), /data_offsets: expected non-negative integers/);
  refused(replaced("[0,2]", "[0,2.5]"), /non-negative integers/);
  refused(replaced("[0,2]", "[2,0]"), /run backwards/);
  refused(replaced("[0,2]", "[0]"), /must be \[begin, end\]/);
  refused(replaced("[0,2]", "[0,2,3]"), /must be \[begin, end\]/);
  refused(
    replaced("[0,2]", "[1,3]"),
    /"a": leaves a hole before it: it begins at byte 1 of the data, expected 0/,
  );
  refused(replaced("[2,3]", "[1,2]"), /"b": overlaps the tensor before it/);
  refused(replaced("[2,3]", "[3,4]"), /"b": leaves a hole before it/);
  refused(fileOf(good, 2), /"b": ends at byte 3 of the data, the file has 2; is it cut short\?/);
  refused(fileOf(good, 4), /1 bytes follow the last tensor/);
  refused(fileOf("{}", 1), /1 bytes follow/);
  refused(
    fileOf('{"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}', 2),
    /BOOL must be 0 or 1; got 2 \(byte 64\)/,
  );
  const inside =
    '{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"z":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}';
  refused(fileOf(inside, 3), /"z": overlaps/);
});

test("a header is accepted exactly when its tensors fit their bytes and tile the data", () => {
  const entry = fc.record({
    begin: fc.nat(4),
    size: fc.nat(3),
    shape: fc.array(fc.nat(3), { maxLength: 2 }),
  });
  // Most draws of free offsets are wrong; tiling ones, with one number perhaps disturbed, balance them.
  const tiled = fc
    .tuple(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), fc.integer({ min: -1, max: 1 }), fc.nat(3))
    .map(([sizes, change, index]) => {
      let begin = 0;
      return sizes.map((size, i) => {
        const disturbed = {
          begin: begin + (i === index ? Math.max(change, -begin) : 0),
          size,
          shape: [size],
        };
        begin += size;
        return disturbed;
      });
    });
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.oneof(tiled, fc.array(entry, { maxLength: 3 })),
      fc.nat(8),
      fc.boolean(),
      (list, extra, fit) => {
        const covered = list.reduce((sum, { size }) => sum + size, 0);
        const dataLength = fit ? covered : extra;
        const members = list.map(({ begin, size, shape }, i) => {
          return `"${i}":{"dtype":"U8","shape":[${shape}],"data_offsets":[${begin},${begin + size}]}`;
        });
        const touched = new Uint8Array(64);
        for (const { begin, size } of list) for (let i = begin; i < begin + size; i++) touched[i]++;
        const once = touched.every((count, i) => count === (i < dataLength ? 1 : 0));
        const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
        const fits = list.every(({ size, shape }) => size === product(shape));
        // An empty tensor may stand only where one tensor ends and the next begins.
        const starts = [dataLength, ...list.filter(({ size }) => size > 0).map(({ begin }) => begin)];
        const placed = list.every(({ begin }) => starts.includes(begin));
        const file = fileOf(`{${members.join(",")}}`, dataLength);
        if (once && fits && placed) {
          assert.is(parseSafetensors(file).tensors.size, list.length);
          accepted++;
        } else refused(file, /./);
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(accepted > 50, `only ${accepted} of 1000 files were valid`);
});

// --- Mutations

type Edit = { at: number; kind: "replace" | "insert" | "delete" | "cut"; byte: number };
const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(1000),
  kind: fc.constantFrom(
    "replace" as const,
    "replace" as const,
    "insert" as const,
    "delete" as const,
    "cut" as const,
  ),
  byte: fc.oneof(fc.nat(255), fc.constantFrom(...text(' {}[]",:0123456789ab\\U8F32'))),
});

function mutate(file: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let bytes = [...file];
  for (const { at, kind, byte } of edits) {
    const position = at % (bytes.length + 1);
    if (kind === "replace" && position < bytes.length) bytes[position] = byte;
    else if (kind === "insert") bytes.splice(position, 0, byte);
    else if (kind === "delete") bytes.splice(position, 1);
    else if (kind === "cut") bytes = bytes.slice(0, position);
  }
  return Uint8Array.from(bytes);
}

function parseOrRefuse(bytes: Uint8Array): SafetensorsContent | null {
  try {
    return parseSafetensors(bytes);
  } catch (error) {
    assert.instance(error, CheckpointError);
    return null;
  }
}

test("any change of bytes gives a CheckpointError or a valid file", () => {
  fc.assert(
    fc.property(
      anyTensors,
      anyMetadata,
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      (tensors, metadata, edits) => {
        const content = parseOrRefuse(mutate(serializeSafetensors(tensors, { metadata }), edits));
        if (!content) return;
        for (const tensor of content.tensors.values()) {
          const size = tensor.shape.reduce((a, b) => a * b, 1);
          assert.is(tensor.values().length, size);
        }
        const again = parseSafetensors(serializeSafetensors(content.tensors, { metadata: content.metadata }));
        for (const [name, tensor] of content.tensors) assert.ok(sameTensor(again.tensors.get(name), tensor));
      },
    ),
    { numRuns: 3000 },
  );
});

test("a replaced byte leaves every tensor whose entry and values it does not touch as it was, or is refused", () => {
  const replacement = fc.record({ at: fc.nat(), byte: edit.map(({ byte }) => byte) });
  let survived = 0;
  fc.assert(
    fc.property(anyTensors, replacement, (tensors, { at, byte }) => {
      const file = serializeSafetensors(tensors);
      const position = at % file.length;
      const content = parseOrRefuse(mutate(file, [{ at: position, kind: "replace", byte }]));
      if (!content) return;
      survived++;
      const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
      const header = String.fromCharCode(...file.subarray(8, headerEnd)); // one character a byte
      const json = new TextDecoder().decode(file.subarray(8, headerEnd));
      const offsets = JSON.parse(json) as Record<string, { data_offsets: [number, number] }>;
      for (const [name, tensor] of tensors) {
        const [begin, end] = offsets[name].data_offsets.map((offset) => headerEnd + offset);
        const inValues = position >= begin && position < end;
        const spelt = String.fromCharCode(...text(`${JSON.stringify(name)}:{"dtype"`));
        const from = 8 + header.indexOf(spelt);
        const inEntry = position >= from && position < 8 + header.indexOf("}", from - 8 + spelt.length);
        if (!inValues && !inEntry) assert.ok(sameTensor(content.tensors.get(name), tensor), name);
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(survived > 100, `only ${survived} of 2000 files were still valid`);
});

// --- Edges

test("a header of exactly the cap is written and read, a byte more is neither", () => {
  const cap = 100_000_000;
  const around = '{"__metadata__":{"x":""}}'.length;
  const file = serializeSafetensors([], { metadata: new Map([["x", "y".repeat(cap - around)]]) });
  assert.is(file.length, 8 + cap);
  assert.is(parseSafetensors(file).metadata.get("x")?.length, cap - around);
  assert.throws(
    () => serializeSafetensors([], { metadata: new Map([["x", "y".repeat(cap - around + 1)]]) }),
    /a header of at most 100000000 bytes; got bytes 100000008/,
  );
  const claiming = (length: bigint): Uint8Array => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  refused(claiming(BigInt(cap)), /the header has 100000000 bytes, the file only 8 after its length/);
  refused(claiming(BigInt(cap) + 1n), /a header of 100000001 bytes is over the cap of 100000000/);
  refused(claiming(2n ** 64n - 1n), /over the cap/);
});

test.run();
