/** @file The tables of notebooks/from-pytorch.md: every line on a right-hand side is type-checked and runs. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as lowrank from "lowrank";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const table = suite("from PyTorch and PEFT");
const text = readFileSync("notebooks/from-pytorch.md", "utf8");

/** The right-hand sides, a list of statements for each row. */
const rows = Array.from(text.matchAll(/^\| `.*$/gm), ([row]) => {
  const [, , here] = row.split(/(?<!\\) \| |^\| | \|$/);
  return { row, statements: Array.from(here.matchAll(/`([^`]+)`/g), ([, code]) => code) };
});

const folder = `.cache/from-pytorch-${process.pid}`;

/** A program with a block for each row, in which the names that the page uses (x, model, adapted, …) stand for new values. */
function program(): string {
  const names = Object.keys(lowrank).filter((name) => new RegExp(String.raw`(?<![.\w])${name}\b`).test(text));
  return `import { ${[...new Set([...names, "GPT2", "inject", "Linear", "random", "tensor"])].join(", ")} } from "lowrank";

const folder = "test/oracles/gpt2-tiny";
const config = { model_type: "gpt2" as const, n_layer: 1, n_head: 2, n_embd: 8, n_positions: 16, vocab_size: 32 };
const gpt = () => new GPT2(config, { rng: random(0) });
${rows
  .map(({ statements }, i) => {
    const onGpt = /adapted|inject\(|quantizeModel|loadAdapter/.test(statements.join());
    return `{
  const [x, y, mask, w] = [tensor([[1, 2], [3, 4]]), tensor([[0, 1], [1, 0]]), tensor([[0, 1], [1, 0]]), tensor([1, 1], { requiresGrad: true })];
  const path = "${folder}/${i}";
  const model = ${onGpt ? "gpt()" : "new Linear(2, 2, { rng: random(0) })"};
  const adapted = inject(gpt(), { rank: 4, target: "all-linear" });
${statements.map((statement) => (statement.startsWith("const w") ? `  { ${statement} }` : `  void (${statement});`)).join("\n")}
}`;
  })
  .join("\n")}
`;
}

table.before(() => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/rows.ts`, program());
});
table.after(() => rmSync(folder, { recursive: true }));

table("has rows", () => {
  assert.ok(rows.length >= 40, `${rows.length}`);
  assert.equal(
    rows.filter(({ statements }) => statements.length === 0).map(({ row }) => row),
    [],
  );
});

table("every right-hand side runs", () => {
  execFileSync(process.execPath, ["--import", "tsx", `${folder}/rows.ts`], {
    encoding: "utf8",
    env: { ...process.env, LOWRANK_DEVICE: "cpu" },
  });
});

table("every right-hand side is of the right types", () => {
  const options = {
    extends: "../../tsconfig.json",
    compilerOptions: { noUnusedLocals: false, paths: undefined },
    include: ["rows.ts"],
    exclude: [],
  };
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(options));
  const { status, stdout } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", folder], {
    encoding: "utf8",
  });
  assert.is(status, 0, stdout);
});

table.run();
