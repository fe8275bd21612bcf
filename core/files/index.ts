/**
 * @file Files: reading and writing them, the formats safetensors and JSON, and floats of 16 and 8 bits.
 *
 *     safetensors/     tensors in a file: load.ts loads, opens and saves one
 *     json.ts          JSON from outside, checked
 *     instead.ts       for error messages: the files that a folder has in place of a missing one
 *     other-kinds.ts   for error messages: what a file is that was taken for another
 *     float16.ts       float16 and bfloat16 to float32 and back
 *     float8.ts        the two 8-bit formats to float32
 *     save/            saves of one or several files that happen whole or not at all, even when killed
 *     disk.node.ts     the file system in Node; with read.node.ts and attempt.node.ts
 *     disk.browser.ts  its place in a browser, which has no files
 *
 * Files are untrusted: their content is checked before it is used, and a mistake in it is a CheckpointError.
 */

export {
  type DraftFile,
  draftFolder,
  exists,
  type FolderDraft,
  fileSize,
  isFolder,
  list as listFolder,
  makeFolder,
  makeTemporaryFolder,
  readFile,
  readPart,
  readSaved,
  realPath,
  remove as removeFile,
  writeFileAtomic,
  writeFilesAtomic,
} from "#disk";
export {
  bfloat16ToNumber,
  float16ToNumber,
  narrowToBfloat16,
  narrowToFloat16,
  numberToBfloat16,
  numberToFloat16,
  roundToBfloat16,
  roundToFloat16,
  widenBfloat16,
  widenFloat16,
} from "./float16.ts";
export { insteadOf, pickles } from "./instead.ts";
export {
  decodeUtf8,
  equalJson,
  isJsonObject,
  isStringList,
  type JsonObject,
  parseJson,
  parseJsonObject,
} from "./json.ts";
export { type Dtype, dtypes, itemBytes, type Values, type WritableDtype } from "./safetensors/dtype.ts";
export { loadSafetensors, openSafetensors, saveSafetensors } from "./safetensors/load.ts";
export { parseSafetensors, type SafetensorsContent } from "./safetensors/read.ts";
export { openShards, type Shards } from "./safetensors/shards.ts";
export { type TensorStatistics, tensorStatistics } from "./safetensors/statistics.ts";
export type { SafeTensor, TensorBytes } from "./safetensors/tensor.ts";
export {
  planSafetensors,
  type SafetensorsOptions,
  type SafetensorsPlan,
  safetensorsParts,
  serializeSafetensors,
  type TensorPlan,
  tensorBytes,
} from "./safetensors/write.ts";
