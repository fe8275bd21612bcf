// jax-js on its WebAssembly backend. Loss with gradients is one jitted function, AdamW another (all in one
// is no faster). In Node jax-js runs on one thread: it wants the web's Worker.
// A jax-js array is used up by the call that receives it; `.ref` keeps it alive for one more use.

import { readFileSync } from "node:fs";
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import type { Contestant, Training } from "../contestant.ts";
import { ADAMW, type Batch, type GptConfig, LAYER_NORM_EPS, type Parameter } from "../gpt-problem.ts";

type Weights = Record<string, np.Array>;
type State = { w: Weights; m: Weights; v: Weights };

const VERSION: string = JSON.parse(
  readFileSync(new URL("../node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"),
).version;

/**
 * Mean cross-entropy of the GPT on a batch. Takes ownership of every argument. Attention is spelled out: jax-js's own
 * dotProductAttention needs Node 22 (iterator helpers) and is no faster there. So are embeddings, as one-hot products:
 * the gradient of `take` does not compile.
 */
function gptLoss(w: Weights, c: GptConfig, inputs: np.Array, targets: np.Array, causal: np.Array): np.Array {
  const rows = c.batch * c.context;
  const headWidth = c.width / c.heads;
  const linear = (x: np.Array, name: string) =>
    np.matmul(x, w[`${name}.weight`].ref).add(w[`${name}.bias`].ref);
  const norm = (x: np.Array, name: string) =>
    nn
      .standardize(x, -1, { epsilon: LAYER_NORM_EPS })
      .mul(w[`${name}.weight`].ref)
      .add(w[`${name}.bias`].ref);
  const attention = (x: np.Array, name: string) => {
    const [q, k, v] = np
      .split(linear(x, `${name}.c_attn`), 3, -1)
      .map((part) => part.reshape([c.batch, c.context, c.heads, headWidth]).transpose([0, 2, 1, 3]));
    const scores = np
      .matmul(q, k.transpose([0, 1, 3, 2]))
      .mul(1 / Math.sqrt(headWidth))
      .add(causal.ref); // [B, H, T, T]
    const mixed = np.matmul(nn.softmax(scores, -1), v).transpose([0, 2, 1, 3]).reshape([rows, c.width]);
    return linear(mixed, `${name}.c_proj`);
  };

  const tokens = np.matmul(nn.oneHot(inputs, c.vocabulary), w["wte.weight"].ref);
  let x = tokens.reshape([c.batch, c.context, c.width]).add(w["wpe.weight"].ref).reshape([rows, c.width]);
  for (let i = 0; i < c.layers; i++) {
    x = x.ref.add(attention(norm(x, `h.${i}.ln_1`), `h.${i}.attn`));
    const hidden = nn.gelu(linear(norm(x.ref, `h.${i}.ln_2`), `h.${i}.mlp.c_fc`), { approximate: true });
    x = x.add(linear(hidden, `h.${i}.mlp.c_proj`));
  }
  const logits = np.matmul(norm(x, "ln_f"), w["wte.weight"].ref.transpose()); // [B·T, V]
  tree.dispose([w, causal]);
  return nn
    .logSoftmax(logits, -1)
    .mul(nn.oneHot(targets, c.vocabulary))
    .sum()
    .mul(-1 / rows);
}

/** AdamW over all weights; `c1` and `c2` are 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ). Takes ownership of every argument. */
function adamw(w: Weights, g: Weights, m: Weights, v: Weights, c1: np.Array, c2: np.Array): State {
  const next: State = { w: {}, m: {}, v: {} };
  for (const name of Object.keys(w)) {
    next.m[name] = m[name].mul(ADAMW.beta1).add(g[name].ref.mul(1 - ADAMW.beta1));
    next.v[name] = v[name].mul(ADAMW.beta2).add(np.square(g[name]).mul(1 - ADAMW.beta2));
    const direction = next.m[name].ref.mul(c1.ref).div(np.sqrt(next.v[name].ref.mul(c2.ref)).add(ADAMW.eps));
    next.w[name] = w[name].mul(1 - ADAMW.lr * ADAMW.weightDecay).sub(direction.mul(ADAMW.lr));
  }
  tree.dispose([c1, c2]);
  return next;
}

function training(c: GptConfig, weights: readonly Parameter[], batch: Batch): Training {
  const named = (value: (p: Parameter) => np.Array): Weights =>
    Object.fromEntries(weights.map((p) => [p.name, value(p)]));
  const inputs = np.array(batch.inputs);
  const targets = np.array(batch.targets);
  const mask = Float32Array.from({ length: c.context ** 2 }, (_, i) =>
    i % c.context > Math.floor(i / c.context) ? -1e9 : 0,
  );
  const causal = np.array(mask, { shape: [c.context, c.context] });
  let state: State = {
    w: named(({ data, shape }) => np.array(data, { shape: [...shape] })),
    m: named(({ shape }) => np.zeros([...shape])),
    v: named(({ shape }) => np.zeros([...shape])),
  };
  let t = 0;

  const lossAndGradients = jit(
    valueAndGrad((w: Weights, x: np.Array, y: np.Array) => gptLoss(w, c, x, y, causal.ref)),
  );
  const update = jit(adamw);

  return {
    gradients: async () => {
      const [loss, g] = lossAndGradients(tree.ref(state.w), inputs.ref, targets.ref);
      const gradients = new Map<string, Float32Array>();
      for (const [name, array] of Object.entries(g))
        gradients.set(name, Float32Array.from(await array.data()));
      return { loss: loss.item(), gradients };
    },
    step: async () => {
      const start = performance.now();
      t++;
      const [c1, c2] = [ADAMW.beta1, ADAMW.beta2].map((beta) => np.array(1 / (1 - beta ** t)));
      const [loss, g] = lossAndGradients(tree.ref(state.w), inputs.ref, targets.ref);
      const next = update(state.w, g, state.m, state.v, c1, c2);
      await blockUntilReady([loss, next]);
      state = next;
      return { loss: loss.item(), seconds: (performance.now() - start) / 1000 };
    },
    dispose: () => {
      tree.dispose([state, inputs, targets, causal]);
      lossAndGradients.dispose();
      update.dispose();
    },
  };
}

/** Jitted because that is faster than the eager product where it is small. */
const product = jit((a: np.Array, b: np.Array) => np.matmul(a, b));

export const jax: Contestant = {
  name: "jax-js wasm",
  details: `@jax-js/jax ${VERSION}, 1 thread`,
  largestProduct: 1024,

  async open() {
    const ready = await init("wasm");
    defaultDevice("wasm");
    return ready.includes("wasm") ? null : "jax-js has no wasm backend here";
  },

  async product(a, b, n) {
    const [ja, jb] = [a, b].map((data) => np.array(data, { shape: [n, n] }));
    let c = product(ja.ref, jb.ref);
    return {
      run: async (times) => {
        const start = performance.now();
        for (let i = 0; i < times; i++) {
          c.dispose();
          c = product(ja.ref, jb.ref);
          await blockUntilReady(c);
        }
        return (performance.now() - start) / 1000;
      },
      result: async () => Float32Array.from(await c.ref.data()),
      dispose: () => tree.dispose([ja, jb, c]),
    };
  },

  training: async (config, weights, batch) => training(config, weights, batch),
  close: () => {},
};
