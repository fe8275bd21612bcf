/** @file Gradient checkpointing of a GPT-2, block by block: only the input of each block is kept for backward. */
import { checkpoint, type Tensor } from "lowrank/autograd";
import { type AttendOptions, type GPT2, type GPT2Block, Module } from "lowrank/nn";

/** A block that backward computes again. */
class Checkpointed extends Module {
  readonly block: GPT2Block;

  constructor(block: GPT2Block) {
    super();
    this.block = block;
  }

  forward(x: Tensor, options: AttendOptions = {}): Tensor {
    return checkpoint((input) => this.block.forward(input, options), x);
  }
}

/** Puts each block of the model into a checkpoint, in place. */
export function checkpointBlocks(model: GPT2): GPT2 {
  model.transformer.h.forEach((block, i) => {
    model.replaceModule(`transformer.h.${i}`, new Checkpointed(block));
  });
  return model;
}
