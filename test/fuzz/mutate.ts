/** @file One change of a file, at random: of its bytes, or, where it has a structure, of what that says. */

import {
  parseSafetensors,
  type Random,
  serializeSafetensors,
  type TensorBytes,
  tensorBytes,
} from "lowrank/core";
import { oddValues } from "../support/mutants.ts";

export type Files = ReadonlyMap<string, Uint8Array>;

/** A change, and in words what it was. */
export interface Mutation {
  readonly files: Files;
  readonly what: string;
}

/** The files with one of them changed. */
export function mutate(files: Files, rng: Random): Mutation {
  const name = pick(rng, [...files.keys()]);
  const bytes = files.get(name) as Uint8Array;
  const isJson = name.endsWith(".json");
  const change = pick(
    rng,
    isJson
      ? [inBytes, inJson, inJson, inText]
      : [inBytes, inValues, inLength, inHeader, inMetadata, inTensors, inTensors],
  );
  const [changed, what] = change(bytes, rng);
  return { files: new Map(files).set(name, changed), what: `${name}: ${what}` };
}

type Change = (bytes: Uint8Array, rng: Random) => [Uint8Array, string];

const pick = <T>(rng: Random, items: readonly T[]): T => items[below(rng, items.length)];
const below = (rng: Random, n: number): number => Math.min(n - 1, Math.floor(rng.float() * n));
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const inBytes: Change = (bytes, rng) => {
  const at = below(rng, bytes.length || 1);
  const to = Math.min(bytes.length, at + 1 + below(rng, 16));
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
  const changes: [string, () => Uint8Array][] = [
    ["a bit turned", () => bytes.map((byte, i) => (i === at ? byte ^ (1 << below(rng, 8)) : byte))],
    ["a byte", () => bytes.map((byte, i) => (i === at ? below(rng, 256) : byte))],
    ["bytes left out", () => join(before, after)],
    ["bytes twice", () => join(before, part, part, after)],
    [
      "bytes put in",
      () =>
        join(
          before,
          part.map(() => below(rng, 256)),
          part,
          after,
        ),
    ],
    [
      "zeros",
      () =>
        join(
          before,
          part.map(() => 0),
          after,
        ),
    ],
    ["cut off", () => before],
    ["more at the end", () => join(bytes, part)],
    ["nothing", () => new Uint8Array()],
  ];
  const [what, change] = pick(rng, changes);
  return [change(), `${what} at ${at}`];
};

/** A value of a tensor; the header stays. */
const inValues: Change = (bytes, rng) => {
  const { header, data } = taken(bytes);
  const tensors = Object.entries(header as Record<string, Entry>).filter(([name]) => name !== "__metadata__");
  const [
    name,
    {
      data_offsets: [begin, end],
    },
  ] = pick(rng, tensors);
  const at = begin + below(rng, Math.max(1, end - begin));
  const changed = bytes.slice();
  if (at < end) changed[bytes.length - data.length + at] = below(rng, 256);
  return [changed, `${name}: a value at ${at}`];
};

/** A tensor in a header. */
interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: readonly [number, number];
}

/** A tensor less, more, of another name, shape or format, in a file that is itself in order. */
const inTensors: Change = (bytes, rng) => {
  const { tensors, metadata } = parseSafetensors(bytes);
  const list = new Map<string, TensorBytes>(tensors);
  const names = [...list.keys()];
  const [name, other] = [pick(rng, names), pick(rng, names)];
  const tensor = list.get(name) as TensorBytes;
  const { dtype, shape, bytes: values } = tensor;
  const sameSize = { F32: "I32", I64: "F64", U8: "BOOL", BOOL: "U8" }[dtype as string] ?? "U8";
  const zeros = (shape: number[]) =>
    tensorBytes("F32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  const changes: [string, () => unknown][] = [
    ["left out", () => list.delete(name)],
    ["twice", () => list.set(`${name}.x`, tensor)],
    ["under another name", () => list.delete(name) && list.set(name.replace(/\w+$/, "other"), tensor)],
    ["under another's name", () => list.delete(name) && list.set(other, tensor)],
    ["another's values", () => list.set(name, list.get(other) as TensorBytes)],
    ["turned", () => list.set(name, { dtype, bytes: values, shape: [...shape].reverse() })],
    ["flat", () => list.set(name, { dtype, bytes: values, shape: [shape.reduce((a, b) => a * b, 1)] })],
    ["with an axis more", () => list.set(name, { dtype, bytes: values, shape: [1, ...shape] })],
    ["longer", () => list.set(name, zeros([...shape, 2]))],
    ["empty", () => list.set(name, zeros([0]))],
    ["of another format", () => list.set(name, { dtype: sameSize as "F32", bytes: values, shape })],
    [
      "one unknown more",
      () => list.set(pick(rng, ["x", "classifier.bias", "lm_head.weight", "a.b.c"]), zeros([2])),
    ],
  ];
  const [what, change] = pick(rng, changes);
  change();
  return [serializeSafetensors(list, { metadata }), `${name} ${what}`];
};

/** What a header or a file claims to have. */
const hugeNumbers = [2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 1e19, 1e300];

const inLength: Change = (bytes, rng) => {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  const old = Number(view.getBigUint64(0, true));
  const length = pick(rng, [
    0,
    1,
    2,
    old - 1,
    old + 1,
    old + 8,
    bytes.length,
    1e8,
    1e8 + 1,
    2 ** 40,
    2 ** 53,
  ]);
  view.setBigUint64(0, pick(rng, [BigInt(length), BigInt(length), 2n ** 64n - 1n, 2n ** 63n]), true);
  return [changed, `header length ${view.getBigUint64(0, true)}`];
};

const inHeader: Change = (bytes, rng) => {
  const { header, data } = taken(bytes);
  const what = rng.float() < 0.2 ? exchange(header, rng) : changeNode(header, rng);
  return [put(header, data), what];
};

/** A tensor at the place of another, beside it or in exchange. */
function exchange(header: Record<string, unknown>, rng: Random): string {
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const [a, b] = [pick(rng, names), pick(rng, names)];
  const [one, other] = [header[a] as Entry, header[b] as Entry];
  header[a] = { ...one, data_offsets: other.data_offsets };
  if (rng.float() < 0.5) header[b] = { ...other, data_offsets: one.data_offsets };
  return `${a} at the place of ${b}`;
}

/** Where the metadata are JSON in a text: in that. */
const inMetadata: Change = (bytes, rng) => {
  const { header, data } = taken(bytes);
  const metadata = header.__metadata__ as Record<string, string> | undefined;
  const name = Object.keys(metadata ?? {}).find((key) => /^[{[]/.test(metadata?.[key] ?? ""));
  if (!metadata || !name) return inHeader(bytes, rng);
  const value = JSON.parse(metadata[name]);
  const what = changeNode(value, rng);
  return [
    put({ ...header, __metadata__: { ...metadata, [name]: JSON.stringify(value) } }, data),
    `${name}: ${what}`,
  ];
};

function taken(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return { header, data: bytes.subarray(8 + length) };
}

function put(header: unknown, data: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return join(length, json, data);
}

const inJson: Change = (bytes, rng) => {
  const value = JSON.parse(new TextDecoder().decode(bytes));
  const what = changeNode(value, rng);
  return [new TextEncoder().encode(JSON.stringify(value)), what];
};

/** What JSON.stringify does not write. */
const inText: Change = (bytes, rng) => {
  const text = new TextDecoder().decode(bytes);
  const deep = pick(rng, [31, 40, 100_000]);
  const fields = [
    '"__proto__": {"r": 9, "n_head": 9}',
    '"constructor": {"prototype": {"polluted": 1}}',
    '"r": 1, "r": 2',
    '"n_head": 1, "n_head": 4',
    `"x": ${"[".repeat(deep)}${"]".repeat(deep)}`,
    `"x": ${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`,
    `"x": "${"y".repeat(100_000)}"`,
    `"n_layer": 1e999`,
    `"lora_alpha": -0`,
    "}",
    "NaN",
  ];
  const field = pick(rng, fields);
  const [from, to] = pick(rng, [
    [/^\{/, `{${field},`],
    [/\s*\}\s*$/, `, ${field}}`],
  ] as const);
  return [new TextEncoder().encode(text.replace(from, to)), `with ${field.slice(0, 40)}`];
};

type Node = Record<string | number, unknown>;

/** Changes one node of a JSON value in place. */
function changeNode(root: unknown, rng: Random): string {
  const places: [Node, string, string][] = [];
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Node, key, `${path}.${key}`]);
      visit((node as Node)[key], `${path}.${key}`);
    }
  };
  visit(root, "");
  if (places.length === 0) return "nothing to change";
  const [parent, key, path] = pick(rng, places);
  const others = places.map(([node, name]) => node[name]);
  const old = parent[key];
  const value = pick(rng, [
    () => pick(rng, oddValues),
    () => pick(rng, hugeNumbers),
    () => structuredClone(pick(rng, others)), // a value from elsewhere in the file
    () =>
      typeof old === "number"
        ? old + pick(rng, [-1, 1, 8, 0.5, -2 * old])
        : pick(rng, ["F32", "F16", "I64", "U8", "BOOL", "nf4", "../x.safetensors", "/etc/hosts", "a\0b"]),
    () =>
      Array.isArray(old)
        ? pick(rng, [[...old, 1], old.slice(1), [...old].reverse(), [...old, 2 ** 40], [2 ** 20, 2 ** 20]])
        : pick(rng, oddValues),
    () => undefined,
  ])();
  if (value === undefined && rng.float() < 0.5) {
    delete parent[key];
    parent[pick(rng, ["x", `${key}x`, "a.b", "__metadata__", "constructor"])] = old;
    return `${path} under another name`;
  }
  if (value === undefined) delete parent[key];
  else parent[key] = value;
  return `${path} = ${JSON.stringify(value)?.slice(0, 60) ?? "left out"}`;
}

/**
 * The tensors of a file that the library has taken, by a reader of a few lines.
 * @throws Error when they do not lie one after the other, or are not as long as they say
 */
export function plainTensors(
  bytes: Uint8Array,
): Map<string, Omit<Entry, "data_offsets"> & { bytes: Uint8Array }> {
  const { header, data } = taken(bytes);
  const entries = Object.entries(header as Record<string, Entry>).filter(([name]) => name !== "__metadata__");
  const spans = entries.map(([, { data_offsets }]) => data_offsets).sort(([a, b], [c, d]) => a - c || b - d);
  const ends = [0, ...spans.map(([, end]) => end)];
  if (!spans.every(([begin], i) => begin === ends[i]) || ends.at(-1) !== data.length)
    throw new Error(`taken with tensors at ${JSON.stringify(spans)} of ${data.length} bytes`);
  return new Map(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => {
        const bits = dtype === "BOOL" ? 8 : Number(/\d+$/.exec(dtype)?.[0]);
        if ((end - begin) * 8 !== bits * shape.reduce((a, b) => a * b, 1))
          throw new Error(`taken with ${name}: ${dtype} [${shape}] in ${end - begin} bytes`);
        return [name, { dtype, shape, bytes: data.subarray(begin, end) }];
      },
    ),
  );
}

/** The values of a file's tensors of floats, by name. */
export function floatsOf(bytes: Uint8Array): Map<string, string> {
  const { tensors } = parseSafetensors(bytes);
  return new Map(
    Array.from(tensors, ([name, tensor]) => [name, `${tensor.shape}: ${Float32Array.from(tensor.floats())}`]),
  );
}
