/** @file Modules, layers, models, losses, optimizers, the training loop. */

export { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
export * from "./config.ts";
export * from "./configurations.ts";
export * from "./embedding.ts";
export { evaluated, type FitOptions, type FitResult, fit, type StepReport } from "./fit.ts";
export * from "./init.ts";
export * from "./layout.ts";
export * from "./linear.ts";
export * from "./module.ts";
export * from "./optim/index.ts";
