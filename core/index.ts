/** @file Numbers without gradients: shapes, storage, devices, kernels, random numbers, files. */

export { checkOptions, optionNames } from "./arguments/options.ts";
export { editDistance, nearest } from "./arguments/spelling.ts";
export { synchronous } from "./arguments/synchronous.ts";
export * from "./array/allocate.ts";
export * from "./array/elementwise.ts";
export * from "./array/gather.ts";
export * from "./array/indices.ts";
export * from "./array/matmul.ts";
/** @deprecated Named dequantizeMatmul now. */
export { dequantizeMatmul as decodeMatmul } from "./array/matmul.ts";
export * from "./array/movement.ts";
export * from "./array/ndarray.ts";
export { checkNumbers, type Nested } from "./array/nested.ts";
export * from "./array/reduce.ts";
export * from "./array/rotate.ts";
export * from "./array/shape.ts";
export {
  currentPrecision,
  type FloatArray,
  type HasStorages,
  keepingCopies,
  measureMemory,
  type Resident,
  residentStorage,
  Storage,
  scope,
  storagesMade,
} from "./array/storage.ts";
export * from "./array/unfold.ts";
export * from "./device/device.ts";
export * from "./device/functions.ts";
export * from "./device/kernels.ts";
export * from "./errors.ts";
export * from "./files/index.ts";
export {
  exactly,
  forAll,
  type Guard,
  type GuardedLaw,
  guardLaws,
  type Law,
  type LawResult,
  together,
  within,
} from "./law.ts";
export * from "./math/linalg.ts";
export { erf, erfc, normalCdf, normalQuantile } from "./math/quantile.ts";
export * from "./math/random.ts";
export {
  type Bytes,
  type Category,
  categories,
  countFor,
  liveBytes,
  type MemoryReport,
  watch,
} from "./meter.ts";
export { fullMatcher } from "./python/pattern/index.ts";
export { setWarnings, type WarningHandler, warn } from "./warn.ts";
