/** @file checkpointBlocks: gradient checkpointing of a model's blocks, memory for time. */

import { checkpoint, isRecording, type Tensor } from "../../autograd/index.ts";
import { ArgumentError } from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkModule } from "../module/options.ts";

/**
 * Lets each block of a model keep its input only, and compute the rest again in the backward pass (Chen et al. 2016,
 * arXiv:1604.06174). The numbers stay the same; activations take the memory of one block instead of all, and a step one
 * more forward pass. Blocks are the modules in lists: `h` of GPT-2, `layers` of Llama, `layer` of BERT. Outside of
 * training, and in a block that is frozen and whose input has no gradient, nothing changes.
 *
 * @example
 * checkpointBlocks(model); // before or after inject
 * @returns the number of blocks
 * @throws ArgumentError when the model has no list of blocks, or is checkpointed already
 */
export function checkpointBlocks(model: Module): number {
  checkModule("checkpointBlocks", model);
  const blocks = new Set<Block>();
  for (const [, module] of model.namedModules()) {
    for (const list of Object.values(module)) {
      if (Array.isArray(list) && list.length > 0 && list.every(isBlock))
        for (const block of list) blocks.add(block);
    }
  }
  if (blocks.size === 0)
    throw new ArgumentError("checkpointBlocks", "a model with a list of blocks", {
      model: model.constructor.name,
    });
  if ([...blocks].some((block) => checkpointed.has(block)))
    throw new ArgumentError("checkpointBlocks", "a model that is not checkpointed already", {
      model: model.constructor.name,
    });
  for (const block of blocks) wrap(block);
  return blocks.size;
}

type Block = Module & { forward(x: Tensor, ...rest: unknown[]): Tensor };

const checkpointed = new WeakSet<Module>();

const isBlock = (value: unknown): value is Block =>
  value instanceof Module && typeof (value as Partial<Block>).forward === "function";

/** Gives a block a forward of its own. It cannot be seen among the block's fields, which are its parameters and modules. */
function wrap(block: Block): void {
  const { forward } = block;
  Object.defineProperty(block, "forward", {
    configurable: true,
    writable: true,
    enumerable: false,
    value: (x: Tensor, ...rest: unknown[]): Tensor =>
      isRecording() ? checkpoint((h) => forward.call(block, h, ...rest), x) : forward.call(block, x, ...rest),
  });
  checkpointed.add(block);
}
