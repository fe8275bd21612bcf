/**
 * @file Writes a model's folder from one that is there: some tensors new, the others and all other files copied, in pieces,
 * so that a checkpoint of any size takes a few megabytes of memory. The folder appears whole or not at all.
 */

import {
  ArgumentError,
  CheckpointError,
  draftFolder,
  type FolderDraft,
  fileSize,
  isFolder,
  isJsonObject,
  type JsonObject,
  listFolder,
  parseJsonObject,
  pickles,
  planSafetensors,
  readFile,
  readPart,
  realPath,
  type SafeTensor,
  type TensorPlan,
} from "../../../core/index.ts";
import type { OpenModel } from "../pretrained.ts";
import { bytesOf, divide, INDEX, indexText } from "./shards.ts";

/** Bytes that are read and written at a time. */
export const PIECE = 2 ** 23;

/** A part of a tensor's values: bytes, and the place of the first of them in the tensor. */
export type Piece = readonly [bytes: Uint8Array, at: number];

/** A tensor of the new checkpoint. */
export type NewTensor = TensorPlan & {
  readonly name: string;
  /** Its values, in pieces that cover it. What is computed between two pieces must not be kept. */
  pieces(): Iterable<Piece>;
};

/** What the new checkpoint is. */
export interface NewCheckpoint {
  /** The folder of the model that it comes from. */
  readonly base: string;
  /** Its content. */
  readonly opened: Pick<OpenModel, "files">;
  /** All tensors, by the name of the base's file that each comes from. */
  readonly tensors: ReadonlyMap<string, readonly NewTensor[]>;
  /** The text of config.json; null to copy it. */
  readonly config: string | null;
  /** Files of other folders that stand in place of the base's, by name. @default none */
  readonly others?: ReadonlyMap<string, string>;
}

/** How it is written. */
export interface WriteCheckpointOptions {
  /** Most bytes of values in a file of weights. @default the files of the base */
  readonly maxShardSize?: number | undefined;
  /** Whether the folder may hold files already; those of another model's weights are removed. @default false */
  readonly overwrite?: boolean | undefined;
}

/** What was written. */
export interface WrittenCheckpoint {
  /** Names of the files of weights. */
  readonly weights: readonly string[];
  /** Names of the other files. */
  readonly copied: readonly string[];
  /** Files of the base that are not in the new folder: its weights in other formats. */
  readonly left: readonly string[];
  /** Bytes of all tensors. */
  readonly bytes: number;
}

/** How far it is. */
export interface CheckpointProgress {
  readonly done: number;
  /** Bytes of all tensors. */
  readonly total: number;
  /** The tensor that is being written. */
  readonly tensor: string;
}

/** A tensor of a file, copied byte for byte. */
export function copied(name: string, tensor: SafeTensor): NewTensor {
  const { dtype, shape } = tensor;
  return {
    name,
    dtype,
    shape,
    *pieces() {
      const item = bytesOf({ dtype, shape: [1] });
      const size = bytesOf({ dtype, shape });
      for (let at = 0; at < size; at += PIECE) {
        const end = Math.min(size, at + PIECE);
        yield [tensor.bytesOf(at / item, end / item), at];
      }
    },
  };
}

/**
 * Checks that a new folder can be written from others.
 * @param sources what is read: names for the message, and paths
 * @throws ArgumentError when it is one of them, which would be read and written at once
 */
export function checkApart(who: string, out: string, sources: Readonly<Record<string, string>>): void {
  if (typeof out !== "string" || out === "")
    throw new ArgumentError(who, "out the path of a new folder", { out });
  const place = realPath(out);
  for (const [name, path] of Object.entries(sources)) {
    if (place !== null && place === realPath(path))
      throw new CheckpointError(
        `${out} is the folder of ${name}; expected another to write to, so that it stays as it is`,
      );
  }
}

/**
 * Writes the checkpoint, piece by piece. Between two pieces it yields how far it is; when it is not run to its end
 * (`return`, an error), nothing is left of it.
 * @returns what was written
 * @throws CheckpointError when it cannot be written: the disk is full, or the folder holds files
 */
export function* writeCheckpoint(
  out: string,
  { base, opened, tensors, config, others = new Map() }: NewCheckpoint,
  { maxShardSize, overwrite = false }: WriteCheckpointOptions = {},
): Generator<CheckpointProgress, WrittenCheckpoint> {
  const all = [...tensors.values()].flat();
  const files = maxShardSize === undefined ? tensors : divide(all, maxShardSize);
  const { companions, left } = filesOf(base, opened, others);
  const total = all.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const draft = draftFolder(out, { overwrite });
  try {
    let done = 0;
    for (const [file, members] of files) {
      const layout = planSafetensors(
        members.map(({ name, dtype, shape }) => [name, { dtype, shape }] as const),
        metadataOf(opened, file, members),
      );
      const target = draft.create(file, layout.size);
      target.write(layout.header, 0);
      for (const tensor of members) {
        const begin = layout.begins.get(tensor.name) as number;
        for (const [bytes, at] of tensor.pieces()) {
          target.write(bytes, begin + at);
          done += bytes.length;
          yield { done, total, tensor: tensor.name };
        }
      }
    }
    if (done !== total) throw new Error(`writeCheckpoint: ${done} of ${total} bytes were given`);
    const isSharded = files.size > 1 || !files.has("model.safetensors");
    if (isSharded) writeText(draft, INDEX, indexText(files, indexMetadata(base, opened)));
    for (const [name, path] of companions) {
      if (name === "config.json" && config !== null) writeText(draft, name, config);
      else copyFile(draft, name, path);
    }
    const stale = isFolder(out) ? listFolder(out).filter((name) => isWeights.test(name)) : [];
    draft.commit(stale);
    const copied = companions.map(([name]) => name);
    return { weights: [...files.keys()], copied, left, bytes: total };
  } finally {
    draft.discard();
  }
}

/** Names of files of weights, in any format. */
const isWeights = /\.(safetensors|safetensors\.index\.json|bin|bin\.index\.json|h5|msgpack|gguf|onnx|ot)$/;

/** The other files of the base: those that the new folder gets, and those that it does not. */
function filesOf(base: string, { files }: Pick<OpenModel, "files">, others: ReadonlyMap<string, string>) {
  const companions = new Map<string, string>();
  const left: string[] = [];
  for (const name of listFolder(base)) {
    const path = `${base}/${name}`;
    if (name.startsWith(".") || isFolder(path) || files.has(name) || name === INDEX) continue;
    if (isWeights.test(name) || pickles.test(name)) left.push(name);
    else companions.set(name, path);
  }
  for (const [name, path] of others) companions.set(name, path);
  return { companions: [...companions], left };
}

/** The strings about a file: those of the base's file of that name, or of its first. The order of tensors is the base's
 * while their formats are. */
function metadataOf({ files }: Pick<OpenModel, "files">, file: string, members: readonly NewTensor[]) {
  const before = files.get(file) ?? [...files.values()][0];
  const same = (name: string, i: number): boolean =>
    members[i]?.name === name && before.tensors.get(name)?.dtype === members[i].dtype;
  const isAsBefore =
    before.tensors.size === members.length && [...before.tensors.keys()].every((name, i) => same(name, i));
  const metadata = before.metadata.size > 0 ? before.metadata : undefined;
  return { ...(metadata && { metadata }), order: isAsBefore ? ("given" as const) : ("sorted" as const) };
}

function indexMetadata(base: string, { files }: Pick<OpenModel, "files">): JsonObject {
  if (files.has("model.safetensors")) return {};
  const { metadata } = parseJsonObject(`${base}/${INDEX}`, readFile(`${base}/${INDEX}`));
  return isJsonObject(metadata) ? metadata : {};
}

function writeText(draft: FolderDraft, name: string, text: string): void {
  const bytes = new TextEncoder().encode(text);
  draft.create(name, bytes.length).write(bytes, 0);
}

function copyFile(draft: FolderDraft, name: string, path: string): void {
  const size = fileSize(path);
  const target = draft.create(name, size);
  for (let at = 0; at < size; at += PIECE) target.write(readPart(path, at, PIECE), at);
}
