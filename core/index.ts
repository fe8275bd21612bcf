/** @file Numbers without gradients: shapes, storage, devices, kernels, random numbers, files. */

export * from "./allocate.ts";
export * from "./device.ts";
export * from "./elementwise.ts";
export * from "./errors.ts";
export * from "./files/index.ts";
export * from "./gather.ts";
export * from "./indices.ts";
export * from "./kernels.ts";
export * from "./linalg.ts";
export * from "./matmul.ts";
export {
  type Bytes,
  type Category,
  categories,
  countFor,
  liveBytes,
  type MemoryReport,
  watch,
} from "./meter.ts";
export * from "./movement.ts";
export * from "./ndarray.ts";
export { checkNumbers, type Nested } from "./nested.ts";
export { checkOptions, optionNames } from "./options.ts";
export { erf, erfc, normalCdf, normalQuantile } from "./quantile.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./rotate.ts";
export * from "./shape.ts";
export { editDistance, nearest } from "./spelling.ts";
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
} from "./storage.ts";
export { synchronous } from "./synchronous.ts";
export * from "./unfold.ts";
export { setWarnings, type WarningHandler, warn } from "./warn.ts";
