/**
 * @file The logits of GPT-2 and Llama written out in plain loops over numbers, with nothing of the library's: every norm
 * with an eps that shows, grouped queries, rotary positions, tied and untied heads, lists of parameters by their names.
 */

import * as fc from "fast-check";
import { random, withPrecision } from "lowrank/core";
import { GPT2, Llama, type Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("logits written out");

type Vector = number[];
type Matrix = Vector[];

/** Random weights, large enough that everything matters, and the numbers of each parameter by its name. */
function weightsOf(model: Module, seed: number): (name: string) => Vector {
  const values = new Map<string, Vector>();
  for (const [i, [name, parameter]] of [...model.namedParameters()].entries()) {
    const drawn = Array.from(
      random(seed + i).normal(parameter.size, name.endsWith("norm.weight") ? 1 : 0, 0.5),
    );
    parameter.assign(drawn);
    values.set(name, drawn);
  }
  return (name) => {
    const found = values.get(name);
    assert.ok(found, `a parameter ${name}`);
    return found as Vector;
  };
}

const rows = (flat: Vector, width: number): Matrix =>
  Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));
const dot = (a: Vector, b: Vector): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};
/** W x for W [out, in]. */
const apply = (W: Matrix, x: Vector): Vector => W.map((row) => dot(row, x));
/** x W + b for W [in, out], as GPT-2 keeps it. */
const conv1d = (W: Matrix, b: Vector, x: Vector): Vector =>
  b.map((bias, j) => {
    let sum = bias;
    for (let i = 0; i < x.length; i++) sum += x[i] * W[i][j];
    return sum;
  });
const plus = (a: Vector, b: Vector): Vector => a.map((value, i) => value + b[i]);
const softmax = (scores: Vector): Vector => {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
};
const layerNorm = (x: Vector, w: Vector, b: Vector, eps: number): Vector => {
  const mean = x.reduce((a, v) => a + v, 0) / x.length;
  const variance = x.reduce((a, v) => a + (v - mean) ** 2, 0) / x.length;
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + eps)) * w[i] + b[i]);
};
const rmsNorm = (x: Vector, w: Vector, eps: number): Vector => {
  const square = x.reduce((a, v) => a + v * v, 0) / x.length;
  return x.map((v, i) => (v / Math.sqrt(square + eps)) * w[i]);
};
/** Attention of position t to those up to it. */
const attend = (q: Vector, keys: Matrix, values: Matrix, t: number): Vector => {
  const p = softmax(keys.slice(0, t + 1).map((k) => dot(q, k) / Math.sqrt(q.length)));
  return q.map((_, i) => p.reduce((sum, weight, s) => sum + weight * values[s][i], 0));
};
const heads = (x: Vector, count: number): Matrix => rows(x, x.length / count);

const close = (found: ArrayLike<number>, expected: Matrix): void => {
  const flat = expected.flat();
  assert.is(found.length, flat.length);
  flat.forEach((value, i) => {
    assert.ok(
      Math.abs(found[i] - value) <= 1e-9 * (1 + Math.abs(value)),
      `logit ${i}: ${found[i]}, by hand ${value}`,
    );
  });
};

const eps = fc.constantFrom(1e-12, 1e-5, 0.01, 0.3, 2);
const seeds = fc.nat(10_000);

test("GPT-2", () => {
  const shapes = fc.constantFrom({ d: 4, head: 1 }, { d: 4, head: 2 }, { d: 6, head: 3 }, { d: 3, head: 3 });
  fc.assert(
    fc.property(
      shapes,
      eps,
      seeds,
      fc.boolean(),
      fc.constantFrom(null, 5),
      (shape, epsilon, seed, tied, inner) => {
        const { d, head } = shape;
        const [vocab, layers, time] = [7, 2, 4];
        const ids = Array.from({ length: time }, (_, i) => (seed + 3 * i) % vocab);
        const hidden = inner ?? 4 * d;
        const config = {
          ...{
            model_type: "gpt2" as const,
            n_embd: d,
            n_layer: layers,
            n_head: head,
            vocab_size: vocab,
            n_positions: 5,
          },
          ...{ layer_norm_epsilon: epsilon, tie_word_embeddings: tied, n_inner: inner },
        };
        withPrecision("float64", () => {
          const model = new GPT2(config, { rng: random(1) }).eval();
          const W = weightsOf(model, seed);
          const wte = rows(W("transformer.wte.weight"), d);
          const wpe = rows(W("transformer.wpe.weight"), d);
          let h = ids.map((id, t) => plus(wte[id], wpe[t]));
          for (let layer = 0; layer < layers; layer++) {
            const at = (name: string): Vector => W(`transformer.h.${layer}.${name}`);
            const norm = (name: string) => (x: Vector) =>
              layerNorm(x, at(`${name}.weight`), at(`${name}.bias`), epsilon);
            const project = (name: string, out: number) => (x: Vector) =>
              conv1d(rows(at(`${name}.weight`), out), at(`${name}.bias`), x);
            const qkv = h.map(norm("ln_1")).map(project("attn.c_attn", 3 * d));
            const part = (which: number, one: number): Matrix =>
              qkv.map((x) => heads(x.slice(which * d, (which + 1) * d), head)[one]);
            const attended = ids.map((_, t) =>
              Array.from({ length: head }, (_, one) =>
                attend(part(0, one)[t], part(1, one), part(2, one), t),
              ).flat(),
            );
            h = h.map((x, t) => plus(x, project("attn.c_proj", d)(attended[t])));
            const gelu = (x: number): number =>
              0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
            const mlp = (x: Vector): Vector =>
              project("mlp.c_proj", d)(project("mlp.c_fc", hidden)(norm("ln_2")(x)).map(gelu));
            h = h.map((x) => plus(x, mlp(x)));
          }
          const last = h.map((x) =>
            layerNorm(x, W("transformer.ln_f.weight"), W("transformer.ln_f.bias"), epsilon),
          );
          const table = tied ? wte : rows(W("lm_head.weight"), d);
          close(
            model.forward([ids]).value.data,
            last.map((x) => apply(table, x)),
          );
        });
      },
    ),
    { numRuns: 30 },
  );
});

test("Llama", () => {
  const shapes = fc.constantFrom(
    { d: 4, head: 2, groups: 1 },
    { d: 8, head: 2, groups: 2 },
    { d: 8, head: 4, groups: 2 },
    { d: 12, head: 3, groups: 1 },
  );
  fc.assert(
    fc.property(
      shapes,
      eps,
      seeds,
      fc.boolean(),
      fc.constantFrom(10_000, 100, 3),
      (shape, epsilon, seed, tied, theta) => {
        const { d, head, groups } = shape;
        const [vocab, layers, time, hidden] = [7, 2, 4, 5];
        const ids = Array.from({ length: time }, (_, i) => (seed + 3 * i) % vocab);
        const config = {
          ...{
            model_type: "llama" as const,
            hidden_size: d,
            intermediate_size: hidden,
            num_hidden_layers: layers,
          },
          ...{
            num_attention_heads: head,
            num_key_value_heads: groups,
            vocab_size: vocab,
            rms_norm_eps: epsilon,
          },
          ...{ tie_word_embeddings: tied, rope_theta: theta, max_position_embeddings: 6 },
        };
        withPrecision("float64", () => {
          const model = new Llama(config, { rng: random(1) }).eval();
          const W = weightsOf(model, seed);
          const size = d / head;
          /** Element i turns with element i + size/2, by t θ^(−2i/size). */
          const turned = (x: Vector, t: number): Vector =>
            x.map((value, i) => {
              const half = size / 2;
              const angle = t * theta ** ((-2 * (i % half)) / size);
              const partner = i < half ? -x[i + half] : x[i - half];
              return value * Math.cos(angle) + partner * Math.sin(angle);
            });
          const embedding = rows(W("model.embed_tokens.weight"), d);
          let h = ids.map((id) => embedding[id]);
          for (let layer = 0; layer < layers; layer++) {
            const at = (name: string): Vector => W(`model.layers.${layer}.${name}.weight`);
            const project = (name: string, from: number) => (x: Vector) => apply(rows(at(name), from), x);
            const n = h.map((x) => rmsNorm(x, at("input_layernorm"), epsilon));
            const q = n.map((x, t) =>
              heads(project("self_attn.q_proj", d)(x), head).map((one) => turned(one, t)),
            );
            const k = n.map((x, t) =>
              heads(project("self_attn.k_proj", d)(x), groups).map((one) => turned(one, t)),
            );
            const v = n.map((x) => heads(project("self_attn.v_proj", d)(x), groups));
            const attended = ids.map((_, t) =>
              Array.from({ length: head }, (_, one) => {
                const group = Math.floor((one * groups) / head);
                return attend(
                  q[t][one],
                  k.map((all) => all[group]),
                  v.map((all) => all[group]),
                  t,
                );
              }).flat(),
            );
            h = h.map((x, t) => plus(x, project("self_attn.o_proj", d)(attended[t])));
            const silu = (x: number): number => x / (1 + Math.exp(-x));
            const mlp = (x: Vector): Vector => {
              const y = rmsNorm(x, at("post_attention_layernorm"), epsilon);
              const up = project("mlp.up_proj", d)(y);
              return project(
                "mlp.down_proj",
                hidden,
              )(project("mlp.gate_proj", d)(y).map((gate, i) => silu(gate) * up[i]));
            };
            h = h.map((x) => plus(x, mlp(x)));
          }
          const table = tied ? embedding : rows(W("lm_head.weight"), d);
          close(
            model.forward([ids]).value.data,
            h.map((x) => apply(table, rmsNorm(x, W("model.norm.weight"), epsilon))),
          );
        });
      },
    ),
    { numRuns: 30 },
  );
});

test.run();
