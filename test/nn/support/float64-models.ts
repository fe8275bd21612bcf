/**
 * @file Forward passes of Llama's family and of GPT-2, written out in plain loops over float64, from a parsed config.json
 * and matrices by their names in Hugging Face's files. They use nothing of the library, so that its models can be compared
 * with them.
 */

interface Rope {
  readonly type?: string;
  readonly rope_type?: string;
  readonly rope_theta?: number;
  readonly factor?: number | null;
  readonly original_max_position_embeddings?: number;
  readonly low_freq_factor?: number;
  readonly high_freq_factor?: number;
  readonly attention_factor?: number;
  readonly mscale?: number;
  readonly mscale_all_dim?: number;
  readonly beta_fast?: number;
  readonly beta_slow?: number;
  readonly truncate?: boolean | null;
}

/** The fields of config.json that the forward pass of Llama's family depends on. */
export interface LlamaFields {
  readonly model_type: string;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number;
  readonly head_dim?: number;
  readonly max_position_embeddings: number;
  readonly original_max_position_embeddings?: number;
  readonly rms_norm_eps?: number;
  readonly hidden_act?: string;
  readonly tie_word_embeddings?: boolean;
  readonly rope_theta?: number;
  readonly rope_scaling?: Rope;
  readonly rope_parameters?: Rope;
}

/** Those of GPT-2's. */
export interface GPT2Fields {
  readonly n_embd: number;
  readonly n_layer: number;
  readonly n_head: number;
  readonly layer_norm_epsilon?: number;
  readonly activation_function?: string;
  readonly scale_attn_weights?: boolean;
  readonly scale_attn_by_inverse_layer_idx?: boolean;
}

type Vector = number[];
type Matrix = Vector[];

/** A tensor by its name: a vector [1][n] or a matrix [rows][columns]. */
export type Weights = ReadonlyMap<string, Matrix>;

const dot = (a: Vector, b: Vector): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
const plus = (a: Vector, b: Vector): Vector => a.map((x, i) => x + b[i]);
const rms = (x: Vector, w: Vector, eps: number): Vector => {
  const root = Math.sqrt(dot(x, x) / x.length + eps);
  return x.map((value, i) => (w[i] * value) / root);
};
const layerNorm = (x: Vector, w: Vector, b: Vector, eps: number): Vector => {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value, i) => (w[i] * (value - mean)) / Math.sqrt(variance + eps) + b[i]);
};
const functions: Readonly<Record<string, (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/** Softmax of the scores of one query with the keys up to its own position, then the mean of the values. */
function attend(q: Vector, keys: Matrix, values: Matrix, scale: number): Vector {
  const scores = keys.map((k) => dot(q, k) * scale);
  const top = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - top));
  const total = weights.reduce((a, b) => a + b, 0);
  return values[0].map((_, i) => values.reduce((sum, v, t) => sum + (weights[t] / total) * v[i], 0));
}

/** Inverse frequencies and the factor on cosines and sines, by the formulas of transformers' modeling_rope_utils. */
function rotaryOf(config: LlamaFields, d: number): { readonly inv: Vector; readonly factor: number } {
  const record: Rope = config.rope_scaling ?? config.rope_parameters ?? {};
  const theta: number = record.rope_theta ?? config.rope_theta ?? 10000;
  const { factor: by = 1, low_freq_factor: few = 1, high_freq_factor: many = 1 } = record;
  const kind: string = record.rope_type ?? record.type ?? "default";
  const plain = Array.from({ length: d / 2 }, (_, i) => 1 / theta ** ((2 * i) / d));
  const length: number =
    config.original_max_position_embeddings ??
    record.original_max_position_embeddings ??
    config.max_position_embeddings;
  if (kind === "linear") return { inv: plain.map((f) => f / Number(by)), factor: 1 };
  if (kind === "llama3") {
    const inv = plain.map((f) => {
      const wave = (2 * Math.PI) / f;
      if (wave < length / many) return f;
      if (wave > length / few) return f / Number(by);
      const smooth = (length / wave - few) / (many - few);
      return (1 - smooth) * (f / Number(by)) + smooth * f;
    });
    return { inv, factor: 1 };
  }
  if (kind === "yarn") {
    const factor: number = record.factor ?? config.max_position_embeddings / length;
    const m = (scale: number, by = 1): number => (scale <= 1 ? 1 : 0.1 * by * Math.log(scale) + 1);
    const magnitude: number =
      record.attention_factor ??
      (record.mscale && record.mscale_all_dim
        ? m(factor, record.mscale) / m(factor, record.mscale_all_dim)
        : m(factor));
    const at = (turns: number): number =>
      (d * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
    let [low, high] = [at(record.beta_fast || 32), at(record.beta_slow || 1)];
    if (record.truncate !== null && record.truncate !== false)
      [low, high] = [Math.floor(low), Math.ceil(high)];
    [low, high] = [Math.max(low, 0), Math.min(high, d - 1)];
    if (low === high) high += 0.001;
    const inv = plain.map((f, i) => {
      const keep = 1 - Math.min(1, Math.max(0, (i - low) / (high - low)));
      return (f / factor) * (1 - keep) + f * keep;
    });
    return { inv, factor: magnitude };
  }
  return { inv: plain, factor: 1 }; // default; dynamic within max_position_embeddings
}

/** Coordinates i and i + d/2 turned by position · inv[i]. */
function turned(x: Vector, position: number, { inv, factor }: ReturnType<typeof rotaryOf>): Vector {
  const half = x.length / 2;
  return x.map((value, i) => {
    const angle = position * inv[i % half];
    const partner = i < half ? -x[i + half] : x[i - half];
    return factor * (value * Math.cos(angle) + partner * Math.sin(angle));
  });
}

/** Logits [time][vocab] of Llama, Mistral, Qwen2 or Qwen3, for one row of ids. */
export function llamaLogits(config: LlamaFields, weights: Weights, ids: readonly number[]): Matrix {
  const at = (name: string): Matrix => {
    const found = weights.get(name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };
  const layer = (name: string, x: Vector): Vector => {
    const y = at(`${name}.weight`).map((row) => dot(row, x));
    const bias = weights.get(`${name}.bias`);
    return bias ? plus(y, bias[0]) : y;
  };
  const { num_attention_heads: heads, rms_norm_eps: eps = 1e-6 } = config;
  const groups: number = config.num_key_value_heads ?? heads;
  const d: number = config.head_dim ?? (config.model_type === "qwen3" ? 128 : config.hidden_size / heads);
  const rotary = rotaryOf(config, d);
  const part = (x: Vector, head: number): Vector => x.slice(head * d, (head + 1) * d);
  let h: Matrix = ids.map((id) => [...at("model.embed_tokens.weight")[id]]);
  for (let n = 0; n < config.num_hidden_layers; n++) {
    const name = `model.layers.${n}`;
    const head = (which: "q" | "k", x: Vector, t: number): Vector => {
      const norm = weights.get(`${name}.self_attn.${which}_norm.weight`);
      return turned(norm ? rms(x, norm[0], eps) : x, t, rotary);
    };
    const normed = h.map((x) => rms(x, at(`${name}.input_layernorm.weight`)[0], eps));
    const [q, k, v] = ["q", "k", "v"].map((p) => normed.map((x) => layer(`${name}.self_attn.${p}_proj`, x)));
    h = h.map((x, t) => {
      const seen = Array.from({ length: t + 1 }, (_, s) => s);
      const mixed = Array.from({ length: heads }, (_, a) => {
        const g = Math.floor(a / (heads / groups));
        const keys = seen.map((s) => head("k", part(k[s], g), s));
        return attend(
          head("q", part(q[t], a), t),
          keys,
          seen.map((s) => part(v[s], g)),
          d ** -0.5,
        );
      });
      return plus(x, layer(`${name}.self_attn.o_proj`, mixed.flat()));
    });
    h = h.map((x) => {
      const y = rms(x, at(`${name}.post_attention_layernorm.weight`)[0], eps);
      const gate = layer(`${name}.mlp.gate_proj`, y).map(functions[config.hidden_act ?? "silu"]);
      const up = layer(`${name}.mlp.up_proj`, y);
      return plus(
        x,
        layer(
          `${name}.mlp.down_proj`,
          gate.map((value, i) => value * up[i]),
        ),
      );
    });
  }
  const head = config.tie_word_embeddings ? "model.embed_tokens" : "lm_head";
  return h.map((x) => layer(head, rms(x, at("model.norm.weight")[0], eps)));
}

/** Logits [time][vocab] of GPT-2 with a tied head, for one row of ids. */
export function gpt2Logits(config: GPT2Fields, weights: Weights, ids: readonly number[]): Matrix {
  const at = (name: string): Matrix => weights.get(`transformer.${name}`) as Matrix;
  const conv = (name: string, x: Vector): Vector => {
    const w = at(`${name}.weight`); // [in][out]
    return at(`${name}.bias`)[0].map((b, j) => x.reduce((sum, value, i) => sum + value * w[i][j], b));
  };
  const norm = (name: string, x: Vector): Vector =>
    layerNorm(x, at(`${name}.weight`)[0], at(`${name}.bias`)[0], config.layer_norm_epsilon ?? 1e-5);
  const { n_embd: width, n_head: heads } = config;
  const d = width / heads;
  let h: Matrix = ids.map((id, t) => plus(at("wte.weight")[id], at("wpe.weight")[t]));
  for (let n = 0; n < config.n_layer; n++) {
    const qkv = h.map((x) => conv(`h.${n}.attn.c_attn`, norm(`h.${n}.ln_1`, x)));
    let scale = (config.scale_attn_weights ?? true) ? 1 / Math.sqrt(d) : 1;
    if (config.scale_attn_by_inverse_layer_idx) scale /= n + 1;
    const part = (t: number, which: number, head: number): Vector =>
      qkv[t].slice(which * width + head * d, which * width + (head + 1) * d);
    h = h.map((x, t) => {
      const seen = Array.from({ length: t + 1 }, (_, s) => s);
      const mixed = Array.from({ length: heads }, (_, a) =>
        attend(
          part(t, 0, a),
          seen.map((s) => part(s, 1, a)),
          seen.map((s) => part(s, 2, a)),
          scale,
        ),
      );
      return plus(x, conv(`h.${n}.attn.c_proj`, mixed.flat()));
    });
    h = h.map((x) => {
      const inner = conv(`h.${n}.mlp.c_fc`, norm(`h.${n}.ln_2`, x));
      return plus(
        x,
        conv(`h.${n}.mlp.c_proj`, inner.map(functions[config.activation_function ?? "gelu_new"])),
      );
    });
  }
  return h.map((x) => {
    const last = norm("ln_f", x);
    return at("wte.weight").map((row) => dot(row, last));
  });
}
