/**
 * @file What the lab's engine and its page say to each other. The engine computes, in a worker of the page or in Node, with
 * the same code; the page shows. Everything here can be cloned between threads.
 */

/** What the model is adapted to. `own` is a text that the visitor pasted. */
export const targetNames = ["speeches", "moby-dick", "code", "own"] as const;
export type TargetName = (typeof targetNames)[number];

export const methodNames = [
  "full",
  "bitfit",
  "lora",
  "rslora",
  "lora+",
  "dora",
  "adalora",
  "lora-fa",
  "pissa",
  "olora",
  "loftq",
  "vera",
] as const;
export type MethodName = (typeof methodNames)[number];

/** Which matrices of a block: W_q and W_v; all four of attention; those of the MLP; all. */
export const placeNames = ["qv", "attention", "mlp", "all"] as const;
export type PlaceName = (typeof placeNames)[number];

/** How the base's matrices are stored. */
export const formatNames = ["float32", "nf4", "fp4", "int4", "int8"] as const;
export type FormatName = (typeof formatNames)[number];

/** The controls of a run: all that decides its numbers. */
export interface Controls {
  readonly target: TargetName;
  /** The pasted text, for the target `own`. */
  readonly text: string;
  readonly method: MethodName;
  readonly rank: number;
  readonly alpha: number;
  readonly place: PlaceName;
  /** Learning rate; of LoRA+ that of A. */
  readonly rate: number;
  /** η_B/η_A of LoRA+. */
  readonly ratio: number;
  readonly format: FormatName;
  /** Weights that share one constant. */
  readonly blockSize: number;
  readonly doubleQuant: boolean;
  readonly seed: number;
  /** Steps of the whole run: AdaLoRA's schedule needs them. */
  readonly steps: number;
}

export const deviceNames = ["cpu", "gpu:webgl2", "gpu:webgpu"] as const;
export type DeviceChoice = (typeof deviceNames)[number];

/** One of the model's adapted matrices. */
export interface Matrix {
  /** "model.layers.0.self_attn.q_proj" */
  readonly name: string;
  /** "block 1, W_q" */
  readonly title: string;
  readonly out: number;
  readonly in: number;
}

/** What a run is before its first step. */
export interface Opened {
  readonly id: number;
  readonly controls: Controls;
  readonly device: string;
  /** Parameters that train, and the formula with the numbers filled in. */
  readonly trainable: number;
  readonly total: number;
  readonly formula: string;
  /** What `Measured.writes` continues. */
  readonly prompt: string;
  readonly matrices: readonly Matrix[];
  readonly before: Measured;
}

/** What every step says. */
export interface Stepped {
  readonly id: number;
  /** 1, 2, … */
  readonly step: number;
  /** Loss of the batch before the update, in nats per token. */
  readonly loss: number;
  readonly milliseconds: number;
  /** Frobenius norms over all adapted matrices: of A and B (of Q and P for AdaLoRA), and of their gradients at this step. */
  readonly norms: { readonly A: number; readonly B: number; readonly gradA: number; readonly gradB: number };
  /** AdaLoRA's budget b(t) and the triplets in use per matrix; of other methods null. */
  readonly budget: { readonly total: number; readonly ranks: readonly number[] } | null;
}

/** What is measured now and then: before the first step, after it, after every `MEASURE_EVERY` steps, and after the last. */
export interface Measured {
  readonly id: number;
  readonly step: number;
  /** Held-out losses in nats per token, on the target text and on the base's own. */
  readonly learned: number;
  readonly own: number;
  /** Singular values of ΔW for every adapted matrix, in falling order, as many as min(out, in), at most 32. */
  readonly spectra: readonly (readonly number[])[];
  /** How the model goes on after the prompt: the likeliest token each time, where those already there count less. */
  readonly writes: string;
  /** Bytes of a step by category as the meter counted them, and the prediction of the formula. */
  readonly bytes: {
    readonly measured: Readonly<Record<string, number>>;
    readonly predicted: Readonly<Record<string, number>>;
  };
}

/** A matrix of numbers for a heat map. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** One adapted matrix, looked at. */
export interface Looked {
  readonly step: number;
  readonly name: string;
  readonly W0: Grid;
  /** W0 as it is stored, dequantized; null for float32. */
  readonly stored: Grid | null;
  readonly delta: Grid;
  readonly A: Grid | null;
  readonly B: Grid | null;
  readonly gradA: Grid | null;
  readonly gradB: Grid | null;
  /** DoRA: the magnitude m and the norms of W0's rows. */
  readonly magnitude: { readonly m: Float32Array; readonly norms: Float32Array } | null;
  /** The values of the format and a histogram of W0 divided by its blocks' largest. */
  readonly quantized: { readonly values: Float32Array; readonly histogram: Float32Array } | null;
}

/** What merging did. */
export interface Merged {
  readonly isMerged: boolean;
  /** max |h_adapted − h_merged| over the logits of a held-out row, and the largest logit. */
  readonly difference: number;
  readonly largest: number;
  /** Milliseconds per token, adapted and merged, the fastest of several. */
  readonly perToken: { readonly adapted: number; readonly merged: number };
  /**
   * For a quantized base, whose merged weight W0 + ΔW is rounded to codes again: ‖round(W0 + ΔW) − (W0 + ΔW)‖/‖ΔW‖, the
   * part of ΔW that the rounding erases (above 1 when more is lost than ΔW holds); the share of weights that get their
   * old code back; the held-out loss of the adapted model, and of the one rounded again.
   */
  readonly requantized: {
    readonly erased: number;
    readonly unchanged: number;
    readonly exact: number;
    readonly loss: number;
  } | null;
  /** Whether unmerging gave every byte of the base's weights back; null while merged. */
  readonly restored: boolean | null;
}

/** Runs that keep their models in the engine; earlier ones keep their numbers. */
export const MOST_RUNS = 3;

/** Steps between two measurements, after the first. */
export const MEASURE_EVERY = 10;

/** What the logits of tokens that stand in the text already are lowered by. Without it the small model goes round in circles. */
export const REPETITION_PENALTY = 1.3;

/** A refusal: one sentence for the visitor. Nothing of earlier runs is lost. */
export interface Refused {
  readonly refused: string;
  /** Of a step: the run is as it was before it, and can be asked again. */
  readonly canRetry?: boolean;
}

/** The engine, as the page calls it through Comlink. Every method answers with `Refused` where it cannot do what is asked. */
export interface Engine {
  /** Loads the base; once. Says which device answers. */
  start(
    base: BaseFiles,
    texts: Readonly<Record<string, string>>,
    device: DeviceChoice,
  ): Promise<Started | Refused>;
  /**
   * A new run beside the others, in the place of those that it replaces. At most three runs keep their models: the oldest give
   * theirs back. `alive` has the runs with a model, the new one among them; when it is refused, all are as they were.
   */
  open(
    controls: Controls,
    replaced?: readonly number[],
  ): Promise<(Opened & { readonly alive: readonly number[] }) | Refused>;
  /** One step of a run; measures when the step is due. A loss that is no number stops the run. */
  step(id: number): Promise<{ readonly stepped: Stepped; readonly measured: Measured | null } | Refused>;
  look(id: number, matrix: string): Promise<Looked | Refused>;
  merge(id: number): Promise<Merged | Refused>;
  unmerge(id: number): Promise<Merged | Refused>;
  /** How the current run and the base continue a prompt, token by token. */
  write(id: number, prompt: string): Promise<{ readonly base: string; readonly adapted: string } | Refused>;
  /**
   * The adapter's bytes in PEFT's format: adapter_model.safetensors and adapter_config.json. Full fine-tuning, BitFit and
   * LoftQ have none: their trained parameters by name, and the controls as JSON.
   */
  adapter(id: number): Promise<{ readonly safetensors: Uint8Array; readonly config: string } | Refused>;
  close(id: number): Promise<void>;
}

export interface BaseFiles {
  readonly config: string;
  readonly weights: Uint8Array;
  readonly tokenizer: string;
  readonly tokenizerConfig: string;
}

export interface Started {
  readonly device: string;
  readonly threads: number;
  readonly parameters: number;
  /** The base's held-out loss on each of the texts. */
  readonly losses: Readonly<Record<string, number>>;
}

/** A run that was recorded, for the first picture of the page and for the page without JavaScript. */
export interface StoredRun {
  readonly opened: Opened;
  readonly steps: readonly Stepped[];
  readonly measured: readonly Measured[];
  readonly looked: readonly Looked[];
}
