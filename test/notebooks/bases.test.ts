/** @file The committed bases: what their cards say is so, and a damaged one is refused in one sentence. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { countNumbers, generate, loadTokenizer } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mobyDick, stateOfTheUnion } from "../../notebooks/support/data/literature.ts";
import { type BaseName, committedBase } from "../../notebooks/support/experiments/bases.ts";
import { validationLoss } from "../../notebooks/support/experiments/evaluation.ts";
import { farShiftOf, nearShift } from "../../notebooks/support/experiments/shifts.ts";
import { NotebookError } from "../../notebooks/support/terminal/errors.ts";

const bases = suite<{ folder: string }>("committed bases");

const FOLDER = fileURLToPath(new URL("../../notebooks/bases/", import.meta.url));
const there = readdirSync(FOLDER).filter((name) => existsSync(join(FOLDER, name, "README.md"))) as BaseName[];

bases.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "bases-"));
});
bases.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

bases("the bases that the notebooks name are there", () => {
  for (const name of [
    "restaurants-a",
    "restaurants-b",
    "tiny-a",
    "tiny-b",
    "declarations",
    "english",
  ] as const)
    assert.ok(there.includes(name), name);
});

bases("all files of all bases together are below 4 MB, and each has its script", () => {
  const files = there.flatMap((name) =>
    readdirSync(join(FOLDER, name)).map((file) => join(FOLDER, name, file)),
  );
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  assert.ok(bytes < 4e6, `${bytes} bytes`);
  for (const name of there) assert.ok(existsSync(join(FOLDER, `${name}.ts`)), name);
});

for (const name of there)
  bases(`${name}: the card says what the model and its data are`, () => {
    const base = committedBase(name);
    const model = base.copy();
    assert.is(String(countNumbers(model)), base.card.parameters);
    assert.is(base.tokenizer.vocabSize, model.config.vocab_size);
    assert.match(base.card.source, /^[0-9a-f]{64}$/);
    if (name !== "english") assert.is(base.card.data_hash, base.domain.hash, "trained on other data");
    const { validation } = base.domain;
    const part = { ...base.domain, validation: validation.slice(0, 2) };
    const measured = validationLoss(model, part);
    // All 64 rows for the restaurants. Of the texts it is a part, or another text: near.
    const bound = validation.length <= 2 && name !== "english" ? 1e-6 : 0.35;
    assert.ok(Math.abs(measured - base.loss) < bound, `${measured}, on the card ${base.loss}`);
    const text = "Aromi Thai cheap river> the `Buffer` of 1 & 2\n";
    const tokenizer = loadTokenizer(join(FOLDER, name));
    assert.equal(tokenizer.encode(text), base.tokenizer.encode(text));
    assert.is(base.tokenizer.decode(base.tokenizer.encode(text)), text);
    assert.is(tokenizer.decode(tokenizer.encode(text)), text);
  });

bases("copies share nothing, and the second request reads no file", ({ folder }) => {
  cpSync(join(FOLDER, "restaurants-a"), join(folder, "restaurants-a"), { recursive: true });
  const [first, second] = [committedBase("restaurants-a", folder), committedBase("restaurants-a", folder)];
  assert.is(first, second);
  rmSync(join(folder, "restaurants-a"), { recursive: true });
  const [one, other] = [first.copy(), second.copy()];
  const before = other.parameters()[0].toArray()[0];
  one.parameters()[0].assign(new Float32Array(one.parameters()[0].size).fill(7));
  assert.is(other.parameters()[0].toArray()[0], before);
  assert.is(first.copy().parameters()[0].toArray()[0], before);
  assert.ok(one.parameters().every(({ requiresGrad }) => requiresGrad));
});

const damages: [string, (folder: string) => void, RegExp][] = [
  ["no folder", (folder) => rmSync(folder, { recursive: true }), /README.md; there is none/],
  ["no weights", (folder) => rmSync(join(folder, "model.safetensors")), /model.safetensors is missing/],
  [
    "weights cut short",
    (folder) => truncateSync(join(folder, "model.safetensors"), 1000),
    /model.safetensors is not/,
  ],
  ["a longer file", (folder) => appendFileSync(join(folder, "config.json"), "\n"), /config.json is not/],
  [
    "another tokenizer",
    (folder) => writeFileSync(join(folder, "tokenizer.json"), "{}"),
    /tokenizer.json is not/,
  ],
  ["an empty card", (folder) => writeFileSync(join(folder, "README.md"), ""), /README.md was changed/],
  [
    "another digest",
    (folder) => {
      const card = readFileSync(join(folder, "README.md"), "utf8");
      writeFileSync(
        join(folder, "README.md"),
        card.replace(/^model.safetensors: .*$/m, "model.safetensors: 0"),
      );
    },
    /model.safetensors is not/,
  ],
];
for (const [what, damage, message] of damages)
  bases(`${what}: one sentence that says how to get it back`, ({ folder }) => {
    cpSync(join(FOLDER, "restaurants-a"), join(folder, "restaurants-a"), { recursive: true });
    damage(join(folder, "restaurants-a"));
    const error = (() => {
      try {
        committedBase("restaurants-a", folder);
      } catch (error) {
        return error;
      }
    })();
    assert.instance(error, NotebookError);
    assert.match((error as Error).message, message);
    assert.match((error as Error).message, /git checkout -- notebooks\/bases\/restaurants-a/);
    assert.not.match((error as Error).message, /\n/);
  });

bases("a restaurants' base writes facts as a sentence", () => {
  const { copy, tokenizer } = committedBase("restaurants-a");
  const ids = [[...tokenizer.encode("Mill Indian cheap docks>")]];
  const { rows } = generate(copy(), ids, { maxNewTokens: 50, stopTokens: [0] });
  assert.match(
    tokenizer.decode(rows[0]),
    /^Mill Indian cheap docks>(.*: )?Mill (offers|serves|cooks) (cheap|budget|low-cost) Indian.*\.\n$/,
  );
});

bases("stored in NF4, a tiny base loses much, and one of d = 64 little", () => {
  const lost = (name: BaseName): number => {
    const { copy, domain } = committedBase(name);
    const stored = copy();
    quantizeModel(stored, { format: "nf4" });
    return validationLoss(stored, domain) - validationLoss(copy(), domain);
  };
  const [tiny, small] = [lost("tiny-a"), lost("restaurants-a")];
  assert.ok(tiny > 0.02 && tiny > 10 * small, `${tiny}, ${small}`);
});

bases("near shifts: 512 and 96 rows, none in both, none in training; the two bases differ", () => {
  const [a, b] = [nearShift("a"), nearShift("b")];
  const rowsOf = ({ validation }: Pick<typeof a.domain, "validation">): string[] =>
    validation.flatMap(({ ids: { data, shape } }) =>
      Array.from({ length: shape[0] }, (_, row) =>
        data.subarray(row * shape[1], (row + 1) * shape[1]).join(),
      ),
    );
  const [reported, choosing] = [rowsOf(a.domain), rowsOf({ validation: a.choosing })];
  assert.is(new Set([...reported, ...choosing]).size, 512 + 96);
  assert.is(reported.length, 512);
  assert.is(a.domain.hash, b.domain.hash);
  assert.not.equal(a.base, b.base);
});

bases("far shifts: windows of the reported and of the choosing batches do not overlap", () => {
  const { domain, choosing, before } = farShiftOf("declarations", { reported: 64, choosing: 32 });
  assert.is(domain.validation.length, 2);
  assert.is(choosing.length, 1);
  assert.ok(before > 1.5 && before < 10, `${before}`);
});

bases(
  "the far shift of the base of words: windows of 129 tokens, and a novel is harder than speeches",
  () => {
    const { domain, choosing, before, tokenizer } = farShiftOf("english", { reported: 32, choosing: 32 });
    const [{ ids }] = domain.validation;
    assert.equal(ids.shape, [32, 129]);
    assert.is(choosing.length, 1);
    assert.match(tokenizer.decode(ids.data.subarray(0, 129)), /^[\n -~]+$/);
    assert.ok(before > committedBase("english").loss + 0.5, `${before}`);
  },
);

bases("the texts are plain ASCII, long enough, and what they are called", () => {
  const [novel, speeches] = [mobyDick(), stateOfTheUnion()];
  assert.match(novel, /^CHAPTER 1. Loomings.\n\nCall me Ishmael\./);
  for (const text of [novel, speeches]) assert.match(text, /^[\n -~]*$/);
  assert.ok(novel.length > 250_000 && novel.length < 300_000);
  assert.match(speeches, /United States/);
});

bases.run();
