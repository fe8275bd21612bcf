/** @file An engine that makes numbers up, for work on the page alone. */
import { firstControls } from "../engine/controls.ts";
import {
  type Controls,
  type Engine,
  type Grid,
  type Looked,
  type Matrix,
  MEASURE_EVERY,
  type Measured,
  type Opened,
  type Stepped,
  type StoredRun,
} from "../engine/types.ts";

const noise = (i: number): number => {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return x - Math.floor(x);
};
const kinds = { q_proj: [128, 128], k_proj: [64, 128], v_proj: [64, 128], o_proj: [128, 128] } as const;
const mlp = { gate_proj: [344, 128], up_proj: [344, 128], down_proj: [128, 344] } as const;
const short = {
  q_proj: "W_q",
  k_proj: "W_k",
  v_proj: "W_v",
  o_proj: "W_o",
  gate_proj: "W_gate",
  up_proj: "W_up",
  down_proj: "W_down",
};

function matricesOf({ place }: Controls): Matrix[] {
  const chosen =
    place === "qv"
      ? { q_proj: kinds.q_proj, v_proj: kinds.v_proj }
      : place === "attention"
        ? kinds
        : place === "mlp"
          ? mlp
          : { ...kinds, ...mlp };
  return [0, 1, 2, 3, 4].flatMap((block) =>
    Object.entries(chosen).map(([name, [out, into]]) => ({
      name: `model.layers.${block}.${name in mlp ? "mlp" : "self_attn"}.${name}`,
      title: `block ${block + 1}, ${short[name as keyof typeof short]}`,
      out,
      in: into,
    })),
  );
}

const sentences = [
  " the United States, and the world is a great deal of the people of the world.",
  " the United States, and the whale is a great deal of the sea of the world.",
  " the whale, and the ship is a great way of the sea, and the whale is a great deal.",
  " the whale, as the old ship rolled; and Ahab stood upon the deck, and the sea was still.",
];

function measuredOf(id: number, controls: Controls, step: number): Measured {
  const t = 1 - Math.exp(-step / 60);
  const matrices = matricesOf(controls);
  const small = controls.format === "float32" ? 1 : 0.3;
  return {
    id,
    step,
    learned: 4.6 - (0.7 + 0.05 * Math.log2(controls.rank)) * t,
    own: 3.4 + 0.25 * t,
    spectra: matrices.map((_, k) =>
      Array.from({ length: 32 }, (_, i) => (i < controls.rank ? t * (1 + noise(k)) * 0.8 ** i : 0)),
    ),
    writes: sentences[Math.min(3, Math.floor(step / 15))],
    bytes: {
      measured: {
        weights: 4.2e6 * small,
        adapters: 3e4 * controls.rank,
        gradients: 3e4 * controls.rank,
        optimizer: 6e4 * controls.rank,
        saved: 5e6,
      },
      predicted: {
        weights: 4.2e6 * small,
        adapters: 3e4 * controls.rank,
        gradients: 3e4 * controls.rank,
        optimizer: 6e4 * controls.rank,
        saved: 4.9e6,
      },
    },
  };
}

function openedOf(id: number, controls: Controls): Opened {
  const matrices = matricesOf(controls);
  const trainable = matrices.reduce((sum, m) => sum + controls.rank * (m.out + m.in), 0);
  return {
    id,
    controls,
    device: "cpu",
    trainable,
    total: 1_040_000 + trainable,
    formula: `5 · ${controls.rank} · ((128 + 128) + (128 + 64)) = ${trainable}`,
    prompt: "The people of",
    matrices,
    before: measuredOf(id, controls, 0),
  };
}

function steppedOf(id: number, controls: Controls, step: number): Stepped {
  const t = 1 - Math.exp(-step / 60);
  return {
    id,
    step,
    loss: 4.65 - 0.8 * t + 0.15 * (noise(step) - 0.5),
    milliseconds: 60,
    norms: { A: 10 + 0.4 * t, B: 3 * t, gradA: step === 1 ? 0 : 0.2 * t, gradB: 0.5 - 0.3 * t },
    budget:
      controls.method === "adalora"
        ? {
            total: Math.round(controls.rank * 10 * (1 - t / 2)),
            ranks: matricesOf(controls).map((_, i) =>
              Math.max(0, Math.round(controls.rank * (1 - t * noise(i)))),
            ),
          }
        : null,
  };
}

const grid = (rows: number, columns: number, f: (i: number) => number): Grid => ({
  rows,
  columns,
  values: Float32Array.from({ length: rows * columns }, (_, i) => f(i)),
});

function lookedOf(controls: Controls, step: number, name: string): Looked {
  const { out, in: into } = matricesOf(controls).find((m) => m.name === name) ?? matricesOf(controls)[0];
  const t = 1 - Math.exp(-step / 60);
  const r = controls.rank;
  const A = grid(r, into, (i) => noise(i) - 0.5);
  const B = grid(out, r, (i) => t * (noise(i + 7) - 0.5));
  const delta = grid(out, into, () => 0);
  for (let i = 0; i < out; i++)
    for (let j = 0; j < into; j++)
      for (let k = 0; k < r; k++) delta.values[i * into + j] += B.values[i * r + k] * A.values[k * into + j];
  const W0 = grid(out, into, (i) => 0.2 * (noise(i) + noise(i + 1e4) + noise(i + 2e4) - 1.5));
  return {
    step,
    name,
    W0,
    stored: null,
    delta,
    A,
    B,
    gradA: grid(r, into, (i) => (step === 0 ? 0 : 0.1 * (noise(i + 3) - 0.5))),
    gradB: grid(out, r, (i) => 0.1 * (noise(i + 5) - 0.5)),
    magnitude:
      controls.method === "dora"
        ? {
            m: Float32Array.from({ length: out }, (_, i) => 1 + t * 0.1 * noise(i)),
            norms: new Float32Array(out).fill(1),
          }
        : null,
    quantized:
      controls.format === "float32"
        ? null
        : {
            values: Float32Array.of(
              -1,
              -0.696,
              -0.525,
              -0.395,
              -0.284,
              -0.185,
              -0.091,
              0,
              0.08,
              0.161,
              0.246,
              0.338,
              0.441,
              0.563,
              0.723,
              1,
            ),
            histogram: Float32Array.from({ length: 64 }, (_, i) => Math.exp(-(((i - 32) / 14) ** 2))),
          },
  };
}

export function fakeEngine(): Engine {
  const runs = new Map<number, { controls: Controls; step: number; isMerged: boolean }>();
  let next = 1;
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const merged = (isMerged: boolean, controls: Controls) => ({
    isMerged,
    difference: 3e-6,
    largest: 12.3,
    perToken: { adapted: 3.1, merged: 2.6 },
    requantized:
      controls.format === "float32" ? null : { erased: 0.41, unchanged: 0.92, exact: 4.18, loss: 4.2 },
    restored: isMerged ? null : true,
  });
  return {
    async start() {
      await wait(200);
      return {
        device: "cpu, 128-bit SIMD",
        threads: 1,
        parameters: 1_040_000,
        losses: { base: 3.4, "moby-dick": 4.6 },
      };
    },
    async open(controls) {
      const id = next++;
      runs.set(id, { controls, step: 0, isMerged: false });
      return openedOf(id, controls);
    },
    async step(id) {
      const run = runs.get(id)!;
      await wait(15);
      const step = ++run.step;
      if (run.controls.rate > 10 && step > 3)
        return {
          refused: "The loss of step 4 is no number: the learning rate is too high. The run has stopped.",
        };
      return {
        stepped: steppedOf(id, run.controls, step),
        measured: step % MEASURE_EVERY === 0 ? measuredOf(id, run.controls, step) : null,
      };
    },
    async look(id, name) {
      const { controls, step } = runs.get(id)!;
      return lookedOf(controls, step, name);
    },
    merge: async (id) => merged(true, runs.get(id)!.controls),
    unmerge: async (id) => merged(false, runs.get(id)!.controls),
    write: async (_, prompt) => ({ base: `${prompt}${sentences[0]}`, adapted: `${prompt}${sentences[3]}` }),
    adapter: async () => ({ safetensors: new Uint8Array(8), config: "{}" }),
    close: async () => {},
  };
}

export function fakeStored(controls: Controls = firstControls): StoredRun {
  const steps = Array.from({ length: 120 }, (_, i) => steppedOf(0, controls, i + 1));
  return {
    opened: openedOf(0, controls),
    steps,
    measured: Array.from({ length: 12 }, (_, i) => measuredOf(0, controls, 10 * (i + 1))),
    looked: [0, 1, 10, 120].map((step) => lookedOf(controls, step, matricesOf(controls)[0].name)),
  };
}
