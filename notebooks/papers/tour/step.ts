/** @file The bytes of one training step, in full and with LoRA. */
import { tensor } from "lowrank/autograd";
import { liveBytes, measureMemory, type Random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, MLP } from "lowrank/nn";

export interface StepOptions {
  readonly width: number;
  readonly rank: number;
  readonly rows: number;
  readonly rng: Random;
}

/** One step of AdamW on an MLP: what is trained, and the bytes of each category at their peak. */
export function bytesOfStep(kind: "full" | "lora", { width, rank, rows, rng }: StepOptions) {
  const before = liveBytes();
  const mlp = new MLP(width, 4 * width, { rng: rng.split("mlp") });
  const model = kind === "full" ? mlp : inject(mlp, { rank, target: "all-linear" });
  const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
  const optimizer = new AdamW(trained, { lr: 1e-3 });
  const batch = tensor(rng.normal(rows * width), [rows, width]);
  const { peak } = measureMemory(() => {
    mlp.forward(batch).square().mean().backward();
    optimizer.step();
  });
  const count = trained.reduce((sum, { size }) => sum + size, 0);
  const [gradients, moments] = [peak.gradients - before.gradients, peak.optimizer - before.optimizer];
  for (const one of trained)
    for (const { storage } of Object.values(optimizer.state(one).arrays)) storage.release();
  for (const storage of model.storages()) storage.release();
  return {
    trains: kind === "full" ? "everything" : `LoRA, r = ${rank}`,
    "trained numbers": count,
    "weights, bytes": peak.weights - before.weights + peak.adapters - before.adapters,
    "gradients (4 each)": gradients,
    "optimizer (8 each)": moments,
    "saved for backward": peak.saved,
    equal: gradients === 4 * count && moments === 8 * count,
  };
}
