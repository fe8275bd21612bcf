/** @file Files and the number formats in them. */

export {
  exists,
  list as listFolder,
  makeFolder,
  makeTemporaryFolder,
  readFile,
  readSaved,
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
export type { SafeTensor, TensorBytes } from "./safetensors/tensor.ts";
export {
  type SafetensorsOptions,
  safetensorsParts,
  serializeSafetensors,
  tensorBytes,
} from "./safetensors/write.ts";
