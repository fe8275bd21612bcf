/**
 * @file Writes a base: its weights as 16-bit floats, its tokenizer, and its model card, README.md. The card's head has what
 * `committedBase` reads: the loss of the stored weights, what made them, and a digest of each file.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { countNumbers, type GPT2, type Llama, loadPretrained, savePretrained } from "lowrank/nn";
import type { BaseName } from "../support/experiments/bases.ts";
import { ABOUT } from "./about.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const notebooks = resolve(here, "..");

export interface Made<M> {
  readonly name: BaseName;
  /** The trained model. */
  readonly model: M;
  /** Files of the tokenizer. */
  readonly tokenizer: Readonly<Record<string, string>>;
  /** Fields to add to config.json: the tokens at which a text begins and ends. */
  readonly config?: Readonly<Record<string, number>>;
  /** What it was trained on, in words, and a hash of it. */
  readonly data: { readonly name: string; readonly hash: string };
  /** How it was trained. */
  readonly training: {
    readonly steps: number;
    readonly rows: number;
    readonly lr: number;
    readonly seed: number;
  };
  /** Held-out loss in nats per token. */
  loss(model: M): number;
  /** Text that the model writes. */
  sample(model: M): string;
}

/** Writes the folder of a base beside its script. The card, which vouches for the other files, is the last of them. */
export function saveBase<M extends GPT2 | Llama>(made: Made<M>): void {
  const { name, model, tokenizer, config = {} } = made;
  const folder = join(here, name);
  savePretrained(model, folder, { dtype: "F16" });
  const path = join(folder, "config.json");
  const fields = JSON.parse(readFileSync(path, "utf8"));
  const files = { ...tokenizer, "config.json": `${JSON.stringify({ ...fields, ...config }, null, 2)}\n` };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const card = cardOf(made, loadPretrained(folder) as M, ["model.safetensors", ...Object.keys(files)].sort());
  writeFileSync(join(folder, "README.md"), card);
  console.log(card);
}

function cardOf<M extends GPT2 | Llama>(made: Made<M>, stored: M, files: readonly string[]): string {
  const { name, data, training } = made;
  const contents = files.map((file) => readFileSync(join(here, name, file)));
  const sources = sourcesOf(join(here, `${name}.ts`));
  const digests = files.map((file, i) => [file, sha256(contents[i])]);
  const bytes = contents.reduce((sum, { length }) => sum + length, 0);
  const head = {
    license: "mit",
    name,
    architecture: shapeOf(stored),
    parameters: countNumbers(stored),
    bytes,
    loss: Number(made.loss(stored).toFixed(6)),
    data: data.name,
    data_hash: data.hash,
    ...training,
    date: new Date().toISOString().slice(0, 10),
    source: sha256(sources.map((file) => `${sha256(readFileSync(file))} ${inNotebooks(file)}\n`).join("")),
    ...Object.fromEntries(digests),
  };
  const lines = Object.entries(head).map(([key, value]) => `${key}: ${value}`);
  return `---
${lines.join("\n")}
---

# ${name}

${ABOUT[name]}

| | |
| :-- | :-- |
| model | ${head.architecture} |
| parameters | ${grouped(head.parameters)} |
| bytes, with 16-bit weights | ${grouped(bytes)} |
| trained on | ${data.name} |
| training | ${grouped(training.steps)} steps of ${training.rows} rows, AdamW, learning rate ${training.lr}, seed ${training.seed} |
| held-out loss | ${head.loss.toFixed(4)} nats per token |

What it writes:

\`\`\`text
${made.sample(stored).trimEnd()}
\`\`\`

To make it again:

\`\`\`sh
npm ci --prefix notebooks/bases
npx tsx notebooks/bases/${name}.ts
\`\`\`

\`source\` above is the SHA-256 digest of the digests and names of the files that determine the training:
${sources.map((file) => `\`${inNotebooks(file)}\``).join(", ")}.
`;
}

/** The script, and the files of `bases` and `support/data` that it imports, directly or not; not those that only write. */
function sourcesOf(script: string): string[] {
  const found = new Set<string>();
  const visit = (file: string): void => {
    if (found.has(file) || file === fileURLToPath(import.meta.url)) return;
    if (!/^(bases|support\/data)\//.test(inNotebooks(file))) return;
    found.add(file);
    for (const [, path] of readFileSync(file, "utf8").matchAll(/from "(\.[^"]*)"/g))
      visit(resolve(dirname(file), path));
  };
  visit(script);
  return [...found].sort();
}

const inNotebooks = (file: string): string => relative(notebooks, file).replaceAll("\\", "/");

function shapeOf({ config }: GPT2 | Llama): string {
  if (config.model_type === "gpt2") {
    const { n_embd, n_layer, n_head, n_positions } = config;
    return `GPT-2, ${n_layer} blocks of width ${n_embd}, ${n_head} heads, ${n_positions} tokens of context`;
  }
  const { hidden_size, num_hidden_layers, num_attention_heads, max_position_embeddings } = config;
  return `Llama, ${num_hidden_layers} blocks of width ${hidden_size}, ${num_attention_heads} heads, ${max_position_embeddings} tokens of context`;
}

const sha256 = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");
const grouped = (value: number): string => value.toLocaleString("en-US");
