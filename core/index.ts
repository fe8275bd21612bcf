/** @file Numbers without gradients: arrays, memory, the devices that compute, random numbers, files, errors. */

// Arrays

export { binary, masked, select, unary } from "./array/elementwise.ts";
export { addRows, gather, scatterAdd, takeRows } from "./array/gather.ts";
export { checkIndices, type IndexLike, type Indices, indices } from "./array/indices.ts";
/** @deprecated Named dequantizeMatmul now. */
export { dequantizeMatmul, dequantizeMatmul as decodeMatmul, matmul } from "./array/matmul.ts";
export { broadcastTo, concat, mT, pad, permute, reshape, slice, transpose } from "./array/movement.ts";
export {
  allWithin,
  array,
  contiguous,
  copy,
  empty,
  fromHost,
  full,
  gatherStrided,
  hasNaN,
  NDArray,
  ones,
  scatterStrided,
  zeros,
} from "./array/ndarray.ts";
export { checkNumbers, type Nested } from "./array/nested.ts";
export {
  causalSoftmax,
  logSoftmax,
  normalize,
  normalizeGrad,
  type ReduceOptions,
  reduce,
  softmax,
  softmaxGrad,
  sumTo,
} from "./array/reduce.ts";
export { rotate } from "./array/rotate.ts";
export {
  broadcastShapes,
  checkShape,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from "./array/shape.ts";
export { fold, type Pair, unfold, type Windows, windowCounts } from "./array/unfold.ts";

// Memory

export { allocate, allocateBytes, allocateDoubles, allocateFloats } from "./array/allocate.ts";
export { type HasStorages, keepingCopies, measureMemory, scope } from "./array/scope.ts";
export {
  currentPrecision,
  deferredStorage,
  type FloatArray,
  type Resident,
  residentStorage,
  Storage,
  storagesMade,
} from "./array/storage.ts";
export {
  type Bytes,
  type Category,
  categories,
  countFor,
  liveBytes,
  type MemoryReport,
  watch,
} from "./meter.ts";

// Devices

export {
  currentDevice,
  type Device,
  type DeviceKernels,
  type DeviceName,
  type DeviceStatus,
  deviceNames,
  kernel,
  kernelCounts,
  listDevices,
  openDevice,
  setDevice,
  withDevice,
  withPrecision,
} from "./device/device.ts";
export {
  type BinaryName,
  binaryNames,
  type ReduceName,
  type UnaryName,
  unaryNames,
} from "./device/functions.ts";
export type { AdamStep, Codes, Kernels } from "./device/kernels.ts";
export { type DeviceReport, type DeviceRow, deviceReport, deviceTable } from "./device/report.ts";
export { type LoadGpuOptions, loadGpu, serveWebGpu } from "./gpu/index.ts";

// Mathematics in double precision, and random numbers

export { cholesky, inverse, solve } from "./math/cholesky.ts";
export { frobeniusNorm, rowNorms } from "./math/matrix.ts";
export { qr } from "./math/qr.ts";
export { erf, erfc, normalCdf, normalQuantile } from "./math/quantile.ts";
export { Random, type RandomState, random, randomFromState, threefry2x32 } from "./math/random.ts";
export { pseudoInverse, svd } from "./math/svd.ts";

// Files

export {
  bfloat16ToNumber,
  type DraftFile,
  type Dtype,
  decodeUtf8,
  draftFolder,
  dtypes,
  equalJson,
  exists,
  type FolderDraft,
  fileSize,
  float16ToNumber,
  insteadOf,
  isFolder,
  isJsonObject,
  isStringList,
  itemBytes,
  type JsonObject,
  listFolder,
  loadSafetensors,
  makeFolder,
  makeTemporaryFolder,
  narrowToBfloat16,
  narrowToFloat16,
  numberToBfloat16,
  numberToFloat16,
  openSafetensors,
  openShards,
  parseJson,
  parseJsonObject,
  parseSafetensors,
  pickles,
  planSafetensors,
  readFile,
  readPart,
  readSaved,
  realPath,
  removeFile,
  roundToBfloat16,
  roundToFloat16,
  type SafeTensor,
  type SafetensorsContent,
  type SafetensorsOptions,
  type SafetensorsPlan,
  type Shards,
  safetensorsParts,
  saveSafetensors,
  serializeSafetensors,
  type TensorBytes,
  type TensorPlan,
  type TensorStatistics,
  tensorBytes,
  tensorStatistics,
  type Values,
  type WritableDtype,
  widenBfloat16,
  widenFloat16,
  writeFileAtomic,
  writeFilesAtomic,
} from "./files/index.ts";

// Laws, and Python's ways

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
export { type PythonJsonOptions, pythonJson } from "./python/json.ts";
export { fullMatcher } from "./python/pattern/index.ts";

// Arguments, errors and warnings

export { checkOptions, optionNames } from "./arguments/options.ts";
export { editDistance, nearest } from "./arguments/spelling.ts";
export { callSynchronously, synchronous } from "./arguments/synchronous.ts";
export {
  AdapterError,
  ArgumentError,
  AutogradError,
  CheckpointError,
  DeviceError,
  LowrankError,
  QuantizationError,
  ShapeError,
} from "./errors.ts";
export { setWarnings, type WarningHandler, warn } from "./warn.ts";
