/** @file Modules, layers, models, losses, optimizers, the training loop. */

export * from "./config.ts";
export * from "./configurations.ts";
export * from "./embedding.ts";
export * from "./init.ts";
export * from "./layout.ts";
export * from "./linear.ts";
export * from "./module.ts";
