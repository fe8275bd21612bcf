/** @file Counts and bytes of large models: LLaMA-7B by formula, and PEFT's published benchmark. */
import { countParameters } from "lowrank/lora";
import { configurations } from "lowrank/nn";
import { benchmark } from "./claims.ts";

/** What the adapters of LLaMA-7B keep for backward: all seven layers, r = 8, 2,048 tokens in 16 bits. */
export function llamaBytes() {
  const { hidden_size: d, intermediate_size: f, num_hidden_layers: blocks } = configurations["llama-7b"];
  const numbers = 2048 * blocks * 2;
  const inputs = (3 * d + f) * numbers; // q, k and v share an input, and so do gate and up
  const projections = 7 * 8 * numbers;
  return [
    { method: "LoRA", keeps: "3 d + f + 7 r numbers for each token and block", bytes: inputs + projections },
    { method: "LoRA-FA", keeps: "7 r", bytes: projections },
  ];
}

/** PEFT's benchmark beside the counts of this library. */
export function peftBenchmark() {
  const spec = { config: "llama-3.2-3b", rank: 32, target: ["q_proj", "v_proj"] } as const;
  return (["LoRA", "LoRA-FA"] as const).map((method) => {
    const counted = countParameters(method === "LoRA" ? "lora" : "lora-fa", spec).trainable;
    const printed = benchmark.trained[method];
    return {
      method,
      "trained, counted": counted,
      "PEFT printed": printed,
      agrees: counted === printed,
      "PEFT: peak, GB": (benchmark.peakBytes[method] / 1e9).toFixed(2),
    };
  });
}
