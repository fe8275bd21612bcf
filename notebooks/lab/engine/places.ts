/** @file The matrices of a block by the names in the model and in the papers. */
import type { PlaceName } from "./types.ts";

/** The module of each matrix, and its name in the papers. */
export const matrixTitles = {
  q_proj: "W_q",
  k_proj: "W_k",
  v_proj: "W_v",
  o_proj: "W_o",
  gate_proj: "W_gate",
  up_proj: "W_up",
  down_proj: "W_down",
} as const;
export type MatrixName = keyof typeof matrixTitles;

const attention = ["q_proj", "k_proj", "v_proj", "o_proj"] as const;
const mlp = ["gate_proj", "up_proj", "down_proj"] as const;

/** Which matrices each place means. */
export const places: Readonly<Record<PlaceName, readonly MatrixName[]>> = {
  qv: ["q_proj", "v_proj"],
  attention,
  mlp,
  all: [...attention, ...mlp],
};

/** "model.layers.0.self_attn.q_proj" as "block 1, W_q". */
export function titleOf(name: string): string {
  const block = Number(/layers\.(\d+)\./.exec(name)?.[1]) + 1;
  return `block ${block}, ${matrixTitles[name.split(".").at(-1) as MatrixName]}`;
}
