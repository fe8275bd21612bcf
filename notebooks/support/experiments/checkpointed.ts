/** @file Gradient checkpointing of a GPT-2, block by block: of each block only its input is kept for backward. */
import { checkpoint, type Tensor } from "lowrank/autograd";
import { type GPT2, type GPT2Block, Module } from "lowrank/nn";

/** A block that is computed again in backward. */
class Checkpointed extends Module {
  readonly block: GPT2Block;

  constructor(block: GPT2Block) {
    super();
    this.block = block;
  }

  forward(x: Tensor): Tensor {
    return checkpoint((input) => this.block.forward(input), x);
  }
}

/** The same model, each block in a checkpoint; the model is changed in place. For training: it takes no cache. */
export function checkpointBlocks(model: GPT2): GPT2 {
  model.transformer.h.forEach((block, i) => {
    model.replaceModule(`transformer.h.${i}`, new Checkpointed(block));
  });
  return model;
}
