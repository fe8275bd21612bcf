/** @file The whole library from one entry: `autograd`, `nn`, `lora`, `quant` by name, and `core` as a namespace. */

export * from "./autograd/index.ts";
export * as core from "./core/index.ts";
export {
  currentDevice,
  listDevices,
  measureMemory,
  random,
  scope,
  setDevice,
  withDevice,
  withPrecision,
} from "./core/index.ts";
export * from "./lora/index.ts";
export * from "./nn/index.ts";
export * from "./quant/index.ts";
