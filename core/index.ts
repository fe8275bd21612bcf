/** @file Numbers without gradients: shapes, storage, devices, kernels, random numbers, files. */

export * from "./device.ts";
export * from "./elementwise.ts";
export * from "./errors.ts";
export * from "./gather.ts";
export * from "./indices.ts";
export * from "./kernels.ts";
export * from "./matmul.ts";
export { type Bytes, type Category, categories, liveBytes, type MemoryReport } from "./meter.ts";
export * from "./movement.ts";
export * from "./ndarray.ts";
export * from "./reduce.ts";
export * from "./shape.ts";
export { currentPrecision, type FloatArray, type HasStorages, measureMemory, Storage, scope } from "./storage.ts";
