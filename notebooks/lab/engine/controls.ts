/** @file The controls: their first values, what each may be, and which of them a method uses. */
import { Refusal, refuse, withCommas } from "./refusal.ts";
import {
  type Controls,
  formatNames,
  type MethodName,
  methodNames,
  placeNames,
  targetNames,
} from "./types.ts";

/** Ranks up to the width of the model: a larger one adds nothing. */
export const MAX_RANK = 128;
export const blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096] as const;
/** Characters of a pasted text: the least gives a few windows, the most is encoded in a second or two. */
export const PASTED = { least: 2000, most: 300_000 } as const;
export const MAX_STEPS = 2000;

/** What the page opens with. */
export const firstControls: Controls = {
  target: "moby-dick",
  text: "",
  method: "lora",
  rank: 4,
  alpha: 8,
  place: "all",
  rate: 2e-3,
  ratio: 16,
  format: "float32",
  blockSize: 64,
  doubleQuant: false,
  seed: 1,
  steps: 100,
};

/**
 * The best learning rate of each method on Moby-Dick, of rates a factor of 2 apart, by the held-out loss after 100 steps
 * of one seed; and VeRA's rank, whose matrices cost nothing.
 */
export const suggested: Readonly<Record<MethodName, { readonly rate: number; readonly rank?: number }>> = {
  full: { rate: 2.5e-4 },
  bitfit: { rate: 5e-3 },
  lora: { rate: 2e-3 },
  rslora: { rate: 2e-3 },
  "lora+": { rate: 2.5e-4 },
  dora: { rate: 2e-3 },
  adalora: { rate: 5e-3 },
  "lora-fa": { rate: 5e-3 },
  pissa: { rate: 1e-3 },
  olora: { rate: 2e-3 },
  loftq: { rate: 2e-3 },
  vera: { rate: 5e-2, rank: 64 },
};

/** Which controls change a run of the method. The others are kept, and do nothing. */
export const uses = (control: "rank" | "alpha" | "ratio", method: MethodName): boolean => {
  if (control === "ratio") return method === "lora+";
  if (method === "full" || method === "bitfit") return false;
  return control === "rank" || method !== "vera";
};

const whole = (name: string, value: number, least: number, most: number): void => {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  refuse(name, `a whole number from ${withCommas(least)} to ${withCommas(most)}`, value);
};

const above0 = (name: string, value: number): void => {
  if (!(Number.isFinite(value) && value > 0)) refuse(name, "a number above 0", value);
};

const oneOf = (name: string, value: unknown, known: readonly unknown[]): void => {
  if (!known.includes(value)) refuse(name, `one of ${known.join(", ")}`, value);
};

/** @throws Refusal that names the first control that cannot be as it is */
export function checkControls(controls: Controls): void {
  const { target, method, place, format, rank, alpha, rate, ratio, blockSize, seed, steps, text } = controls;
  oneOf("Text", target, targetNames);
  oneOf("Method", method, methodNames);
  oneOf("Matrices", place, placeNames);
  oneOf("Base", format, formatNames);
  whole("Rank r", rank, 1, MAX_RANK);
  above0("α", alpha);
  above0("Learning rate", rate);
  above0("η_B/η_A", ratio);
  oneOf("Block size", blockSize, blockSizes);
  if (typeof controls.doubleQuant !== "boolean")
    refuse("Double quantization", "on or off", controls.doubleQuant);
  whole("Seed", seed, 0, 2 ** 32 - 1);
  whole("Steps", steps, 1, MAX_STEPS);
  if (target === "own") checkPasted(text);
  checkTogether(controls);
}

/** @throws Refusal unless the text is long enough to train on, and short enough to read at once */
export function checkPasted(text: string): void {
  const { least, most } = PASTED;
  const length = typeof text === "string" ? text.length : 0;
  if (length < least || length > most) {
    throw new Refusal(
      `Your text: expected ${withCommas(least)} to ${withCommas(most)} characters; got ${withCommas(length)}.`,
    );
  }
  if (text.trim().length < least / 2)
    throw new Refusal("Your text: expected words; got hardly anything but spaces.");
}

function checkTogether({ method, format, rank, place }: Controls): void {
  if (method === "full" && format !== "float32")
    throw new Refusal(
      `Full fine-tuning: expected the base in float32, since codes cannot be trained; got ${format}.`,
    );
  if (method === "loftq" && format === "float32")
    throw new Refusal("LoftQ: expected a quantized base, whose error it starts from; got float32.");
  const least = place === "mlp" ? 128 : 64; // W_k and W_v are [64, 128]
  if ((method === "pissa" || method === "olora" || method === "loftq") && rank > least)
    refuse(`Rank r with ${method}`, `at most ${least}, the smaller side of the smallest chosen matrix`, rank);
}
