// TensorFlow.js on its WebAssembly backend (SIMD; tfjs switches its threads off in Node) and on its plain one.

import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { type Contestant, clock, type Training } from "../contestant.ts";
import { ADAMW, type Batch, type GptConfig, LAYER_NORM_EPS, type Parameter } from "../gpt-problem.ts";

type Weights = (name: string) => tf.Variable;

/** Swaps the last two axes. */
function swap(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return x.transpose([...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

/**
 * A·B whose gradient transposes its factors first. tfjs-wasm multiplies transposed factors by a slow path, which its
 * own gradient of matMul takes: with that one the step below takes 3.5 times as long.
 */
const matMul = tf.customGrad((a, b, save) => {
  save([a, b]);
  return {
    value: tf.matMul(a, b),
    gradFunc: (dC, [a, b]) => [tf.matMul(dC, swap(b)), tf.matMul(swap(a), dC)],
  };
});

function layerNorm(x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(LAYER_NORM_EPS).rsqrt()).mul(gain).add(bias);
}

function gelu(x: tf.Tensor): tf.Tensor {
  const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
  return x.mul(0.5).mul(inner.tanh().add(1));
}

/** Mean cross-entropy of the GPT on a batch. Embeddings are one-hot products: tfjs-wasm cannot differentiate gather. */
function gptLoss(
  w: Weights,
  c: GptConfig,
  inputs: tf.Tensor,
  targets: tf.Tensor,
  causal: tf.Tensor,
): tf.Tensor {
  const rows = c.batch * c.context;
  const headWidth = c.width / c.heads;
  const linear = (x: tf.Tensor, name: string) => matMul(x, w(`${name}.weight`)).add(w(`${name}.bias`));
  const norm = (x: tf.Tensor, name: string) => layerNorm(x, w(`${name}.weight`), w(`${name}.bias`));
  const attention = (x: tf.Tensor, name: string) => {
    const [q, k, v] = linear(x, `${name}.c_attn`)
      .split(3, 1)
      .map((part) => part.reshape([c.batch, c.context, c.heads, headWidth]).transpose([0, 2, 1, 3])); // [B, H, T, d/H]
    const scores = matMul(q, swap(k)).mul(1 / Math.sqrt(headWidth)); // [B, H, T, T]
    const mixed = matMul(scores.add(causal).softmax(), v).transpose([0, 2, 1, 3]); // [B, T, H, d/H]
    return linear(mixed.reshape([rows, c.width]), `${name}.c_proj`);
  };

  const tokens = matMul(inputs, w("wte.weight")).reshape([c.batch, c.context, c.width]);
  let x = tokens.add(w("wpe.weight")).reshape([rows, c.width]); // [B·T, d]
  for (let i = 0; i < c.layers; i++) {
    x = x.add(attention(norm(x, `h.${i}.ln_1`), `h.${i}.attn`));
    x = x.add(linear(gelu(linear(norm(x, `h.${i}.ln_2`), `h.${i}.mlp.c_fc`)), `h.${i}.mlp.c_proj`));
  }
  const logits = matMul(norm(x, "ln_f"), swap(w("wte.weight"))); // [B·T, V]
  return targets
    .mul(logits.logSoftmax())
    .sum()
    .mul(-1 / rows);
}

function training(c: GptConfig, weights: readonly Parameter[], batch: Batch): Training {
  const variables = new Map(
    weights.map(({ name, shape, data }) => [name, tf.variable(tf.tensor(data, [...shape]))] as const),
  );
  const oneHot = (ids: Int32Array) => tf.oneHot(tf.tensor1d(ids, "int32"), c.vocabulary).toFloat();
  const [inputs, targets] = [oneHot(batch.inputs), oneHot(batch.targets)];
  const causal = tf.tensor(
    Float32Array.from({ length: c.context ** 2 }, (_, i) =>
      i % c.context > Math.floor(i / c.context) ? -1e9 : 0,
    ),
    [c.context, c.context],
  );
  const adam = tf.train.adam(ADAMW.lr, ADAMW.beta1, ADAMW.beta2, ADAMW.eps);
  const loss = (): tf.Tensor => gptLoss((name) => variables.get(name)!, c, inputs, targets, causal);

  const gradients = () => {
    const { value, grads } = tf.variableGrads(loss, [...variables.values()]);
    return { value, grads };
  };
  const step = () =>
    tf.tidy(() => {
      const { value, grads } = gradients();
      // Decoupled decay (AdamW): tfjs has only Adam.
      for (const variable of variables.values())
        variable.assign(variable.mul(1 - ADAMW.lr * ADAMW.weightDecay));
      adam.applyGradients(grads);
      return value.dataSync()[0];
    });
  return {
    gradients: async () =>
      tf.tidy(() => {
        const { value, grads } = gradients();
        const named = [...variables].map(
          ([name, v]) => [name, Float32Array.from(grads[v.name].dataSync())] as const,
        );
        return { loss: value.dataSync()[0], gradients: new Map(named) };
      }),
    step: async () => {
      let value = Number.NaN;
      const seconds = clock(1, () => {
        value = step();
      });
      return { loss: value, seconds };
    },
    dispose: () => {
      adam.dispose();
      tf.dispose([...variables.values(), inputs, targets, causal]);
    },
  };
}

/** tfjs-wasm installs handlers that answer any later error with its whole source text: takes them off again. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const events = ["uncaughtException", "unhandledRejection"];
  const before = events.map((event) => process.listeners(event));
  const result = await work();
  events.forEach((event, i) => {
    for (const listener of process.listeners(event)) {
      if (!before[i].includes(listener)) process.removeListener(event, listener as () => void);
    }
  });
  return result;
}

/** tfjs has one engine with one current backend, so each piece of work first chooses its own. */
function tfjs(backend: "wasm" | "cpu", limits: Pick<Contestant, "largestProduct" | "training">): Contestant {
  return {
    name: `tfjs ${backend}`,
    details: `@tensorflow/tfjs ${tf.version_core}, ${backend === "wasm" ? "SIMD, " : ""}1 thread`,
    open: async () => {
      tf.enableProdMode();
      setWasmPaths(`${dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"))}/`);
      const ready = await quietly(() => tf.setBackend(backend));
      return ready ? null : `tfjs has no ${backend} backend here`;
    },
    product: async (a, b, n) => {
      await tf.setBackend(backend);
      const [ta, tb] = [tf.tensor(a, [n, n]), tf.tensor(b, [n, n])];
      let c: tf.Tensor = tf.matMul(ta, tb);
      return {
        run: async (times) => {
          await tf.setBackend(backend);
          return clock(times, () => {
            c.dispose();
            c = tf.matMul(ta, tb);
          });
        },
        result: async () => Float32Array.from(c.dataSync()),
        dispose: () => tf.dispose([ta, tb, c]),
      };
    },
    close: () => {},
    ...limits,
  };
}

export const tfjsWasm = tfjs("wasm", {
  largestProduct: 1024,
  training: async (config, weights, batch) => {
    await tf.setBackend("wasm");
    const held = training(config, weights, batch);
    return {
      ...held,
      gradients: async () => {
        await tf.setBackend("wasm");
        return held.gradients();
      },
      step: async () => {
        await tf.setBackend("wasm");
        return held.step();
      },
    };
  },
});

export const tfjsCpu = tfjs("cpu", { largestProduct: 256 });
