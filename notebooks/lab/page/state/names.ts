/** @file What the page calls things: methods, targets, places, formats, runs. */
import { colorsOf } from "../../../support/show/colors.ts";
import { firstControls, suggested } from "../../engine/controls.ts";
import type {
  Controls,
  DeviceChoice,
  FormatName,
  MethodName,
  PlaceName,
  TargetName,
} from "../../engine/types.ts";

export const methodTitles: Readonly<Record<MethodName, string>> = {
  full: "full fine-tuning",
  bitfit: "BitFit",
  lora: "LoRA",
  rslora: "rsLoRA",
  "lora+": "LoRA+",
  dora: "DoRA",
  adalora: "AdaLoRA",
  "lora-fa": "LoRA-FA",
  pissa: "PiSSA",
  olora: "OLoRA",
  loftq: "LoftQ",
  vera: "VeRA",
};

/** What a method trains, in one sentence. */
export const methodSentences: Readonly<Record<MethodName, string>> = {
  full: "Every weight is trained.",
  bitfit: "Only biases are trained; the base has none, so each adapted layer gets one, at zero.",
  lora: "A and B are trained, W₀ is not.",
  rslora: "LoRA with the factor α/√r in the place of α/r.",
  "lora+": "LoRA in which B learns faster than A.",
  dora: "LoRA for the direction of each row, and a trained magnitude for its length.",
  adalora: "Triplets P, Λ, Q: the least important ones are pruned while it trains.",
  "lora-fa": "LoRA in which A stays as it was drawn.",
  pissa: "LoRA that starts from the largest singular triplets of W₀.",
  olora: "LoRA that starts from a QR decomposition of W₀.",
  loftq: "LoRA that starts from what quantization lost of W₀.",
  vera: "Two vectors on random matrices that all layers share.",
};

export const targetTitles: Readonly<Record<TargetName, string>> = {
  speeches: "speeches it has not read (near)",
  "moby-dick": "Moby-Dick (far)",
  code: "TypeScript declarations (farther)",
  own: "your own text",
};

export const shortTargets: Readonly<Record<TargetName, string>> = {
  speeches: "speeches",
  "moby-dick": "Moby-Dick",
  code: "code",
  own: "yours",
};

export const placeTitles: Readonly<Record<PlaceName, string>> = {
  qv: "W_q and W_v",
  attention: "all of attention",
  mlp: "the MLP",
  all: "all linear layers",
};

export const formatTitles: Readonly<Record<FormatName, string>> = {
  float32: "float32",
  nf4: "NF4",
  fp4: "FP4",
  int4: "Int4",
  int8: "int8",
};

/** The settings of a run besides its method and rank, for a table. */
export const settingsOf = (controls: Controls): string =>
  (["place", "rate", "ratio", "alpha", "format", "blockSize", "doubleQuant", "seed"] as const)
    .map((key) => words[key](controls))
    .filter(Boolean)
    .join(", ");

const words: Readonly<Record<keyof Controls, (controls: Controls) => string>> = {
  method: ({ method }) => methodTitles[method],
  rank: ({ method, rank }) => (hasRank(method) ? `r = ${rank}` : ""),
  alpha: ({ method, alpha }) => (hasAlpha(method) ? `α = ${alpha}` : ""),
  place: ({ method, place }) => (method === "full" ? "" : placeTitles[place]),
  rate: ({ rate }) => `η = ${rate}`,
  ratio: ({ method, ratio }) => (method === "lora+" ? `η_B/η_A = ${ratio}` : ""),
  format: ({ format }) => formatTitles[format],
  blockSize: ({ format, blockSize }) => (format === "float32" ? "" : `blocks of ${blockSize}`),
  doubleQuant: ({ format, doubleQuant }) =>
    doubleQuant && format !== "float32" ? "double quantization" : "",
  target: ({ target }) => shortTargets[target],
  text: () => "",
  seed: ({ seed }) => `seed ${seed}`,
  steps: ({ steps }) => `${steps} steps`,
};

export const hasRank = (method: MethodName): boolean => method !== "full" && method !== "bitfit";
export const hasAlpha = (method: MethodName): boolean => hasRank(method) && method !== "vera";

/** The name of a run: its method and rank, and whatever is not as it is at first. */
export function runTitle(controls: Controls): string {
  const { method, rate } = controls;
  const isUsual = (key: keyof Controls): boolean =>
    key === "rate" ? rate === suggested[method].rate : controls[key] === firstControls[key];
  return (Object.keys(words) as (keyof Controls)[])
    .filter((key) => key === "method" || key === "rank" || !isUsual(key))
    .map((key) => words[key](controls))
    .filter(Boolean)
    .join(", ");
}

/** A colour for a run: its method's, or the next one that no run has. */
export function runColor({ method }: Controls, taken: readonly string[]): string {
  const wanted = [...colorsOf([methodTitles[method]]), ...spare];
  return wanted.find((color) => !taken.includes(color)) ?? wanted[taken.length % wanted.length];
}

const spare = [
  "#e0662b",
  "#3ca951",
  "#a463f2",
  "#d99a00",
  "#0f9ba8",
  "#c2579c",
  "#9c6b4e",
  "#6f8f2a",
  "#ff8ab7",
];

export const deviceTitles: Readonly<Record<DeviceChoice, string>> = {
  cpu: "cpu (WebAssembly)",
  "gpu:webgl2": "GPU (WebGL 2)",
  "gpu:webgpu": "GPU (WebGPU)",
};
