// `npm run bench`: lowrank and its peers side by side, in one run, in turns, results compared before they are timed.

import { accessSync, constants, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { openDevice } from "lowrank/core";
import { checkClaims } from "./claims.ts";
import { gather } from "./contestants.ts";
import { benchGpt } from "./gpt.ts";
import { SMALL_GPT } from "./gpt-problem.ts";
import { benchMatmul, SIZES } from "./matmul.ts";
import { benchMemory, memoryTable } from "./memory.ts";
import type { Outcome } from "./outcome.ts";
import { benchCodes, benchForward, gigabytes, LAYER, NUMBERS } from "./quantization.ts";
import { outcomeTable, times } from "./table.ts";

const HELP = `npm run bench -- [options]

  --only PART    one part: matmul (square products of 64 to 1024), gpt (the training step of a small GPT) or
                 quant (numbers to NF4 and back, and a layer in NF4); or, only when named, memory (what real sizes
                 take: up to an hour, and 12 GiB)
  --case TEXT    with --only memory: only the cases whose names hold TEXT
  --quick        fewer rounds, products up to 512
  --no-peers     lowrank alone: nothing is installed, no other library runs
  --json FILE    write every figure, and the machine, to FILE
  --help         this text`;

const PARTS = ["matmul", "gpt", "quant", "memory"];
const BASE = "lowrank cpu";

/** Share of a core that a process of one thread gets where it is alone, at least. */
const UNDISTURBED = 0.9;

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      case: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      "no-peers": { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.only !== undefined && !PARTS.includes(values.only)) {
    throw new Error(`--only: expected ${PARTS.join(", ")}; got ${values.only}`);
  }
  if (values.json !== undefined) accessSync(dirname(values.json), constants.W_OK);
  return values;
}

function machine() {
  return {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system: `${type()} ${release()} ${process.arch}`,
  };
}

/** A line on the terminal that the next one replaces; nothing where standard error is no terminal. */
function ticker(prefix: string): (text: string) => void {
  return (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text && `${prefix}: ${text}`}`);
  };
}

async function main(): Promise<void> {
  const { only, case: filter, quick, "no-peers": noPeers, json, help } = options();
  if (help) return console.log(HELP);
  const wants = (part: string) => only === undefined || only === part;

  const here = machine();
  console.log(`${here.cpu}, ${here.cores} cores, ${here.memoryGiB} GiB, Node ${here.node}`);
  if (only === "memory") {
    const progress = ticker("memory");
    const results = benchMemory(filter, progress);
    progress("");
    console.log(memoryTable(results));
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify({ machine: here, memory: results }, null, 2)}\n`);
    if (results.some(({ failure }) => failure)) process.exitCode = 1;
    return;
  }
  const { contestants, absent } =
    only === "quant" ? { contestants: [], absent: [] } : await gather(!noPeers, console.log);
  for (const { name, details } of contestants) console.log(`  ${name}: ${details}`);
  for (const line of absent) console.log(`  not here: ${line}`);
  console.log("Times are medians; the spread is half the distance between the quartiles.");

  const products = new Map<number, Outcome[]>();
  for (const n of wants("matmul") ? SIZES.filter((size) => !quick || size <= 512) : []) {
    const progress = ticker(`product of ${n} × ${n} matrices`);
    const outcomes = await benchMatmul(contestants, n, quick ? 5 : 11, progress);
    progress("");
    products.set(n, outcomes);
    const speed = ({ timing }: Outcome) => ((2 * n ** 3) / timing!.median / 1e9).toPrecision(3);
    console.log(`\nProduct of two ${n} × ${n} matrices (equal bit for bit)`);
    console.log(outcomeTable(outcomes, BASE, { title: "GFLOP/s", cell: speed }));
  }

  let gpt: Outcome[] = [];
  if (wants("gpt")) {
    const progress = ticker("GPT step");
    gpt = await benchGpt(contestants, quick ? 5 : 15, progress);
    progress("");
    const { width, layers, heads, context, batch, vocabulary } = SMALL_GPT;
    console.log(
      `\nTraining step of a GPT, AdamW included (d ${width}, ${layers} layers, ${heads} heads, T ${context}, ` +
        `batch ${batch}, vocabulary ${vocabulary})`,
    );
    const error = (outcome: Outcome) => outcome.error!.toExponential(0);
    console.log(outcomeTable(gpt, BASE, { title: "gradient error", cell: error }));
  }
  for (const contestant of contestants) contestant.close();

  const quantization: Record<"codes" | "forward", Outcome[]> = { codes: [], forward: [] };
  let share: number | undefined;
  if (wants("quant")) {
    const progress = ticker("quantization");
    const rounds = quick ? 11 : 31;
    const [started, before] = [performance.now(), process.cpuUsage()];
    quantization.codes = await benchCodes(rounds, progress);
    const { user, system } = process.cpuUsage(before);
    share = (user + system) / 1e3 / (performance.now() - started);
    quantization.forward = await benchForward(rounds, progress);
    progress("");
    console.log(`\nNF4 in blocks of 64, ${NUMBERS / 2 ** 20} Mi numbers, one thread`);
    const speed = ({ timing }: Outcome) => gigabytes(timing!.median).toPrecision(3);
    console.log(outcomeTable(quantization.codes, "quantize", { title: "GB/s of float32", cell: speed }));
    if (share < UNDISTURBED) {
      const percent = Math.round(100 * share);
      console.log(
        `The process had ${percent} % of a core meanwhile: the machine is busy, and may well be faster.`,
      );
    }
    const { inFeatures, outFeatures, batch } = LAYER;
    const threads = openDevice("cpu").adapter;
    console.log(
      `\nForward pass of a layer ${inFeatures} × ${outFeatures}, batch ${batch}, on cpu: ${threads} (equal bit for bit)`,
    );
    const multiplications = 2 * batch * inFeatures * outFeatures;
    const flops = ({ timing }: Outcome) => (multiplications / timing!.median / 1e9).toPrecision(3);
    console.log(outcomeTable(quantization.forward, "dense", { title: "GFLOP/s", cell: flops }));
  }

  const claims = checkClaims(products, gpt, quantization);
  if (claims.length > 0) console.log("\nClaims about lowrank's cpu device, on these figures");
  for (const { claim, ratio, holds } of claims) {
    console.log(`  ${holds ? "holds" : "FAILS"}: ${claim} (${times(ratio)})`);
  }
  if (json !== undefined) {
    const matmul = [...products].map(([n, outcomes]) => ({ n, outcomes }));
    const record = {
      machine: here,
      contestants: contestants.map(({ name, details }) => ({ name, details })),
      absent,
      matmul,
      gpt: { config: SMALL_GPT, outcomes: gpt },
      quantization: { numbers: NUMBERS, layer: LAYER, coreShare: share, ...quantization },
      claims,
    };
    writeFileSync(json, `${JSON.stringify(record, null, 2)}\n`);
    console.log(`\nEvery figure is in ${json}.`);
  }
  const all = [...products.values(), gpt, quantization.codes, quantization.forward].flat();
  if (all.some((outcome) => outcome.failure)) process.exitCode = 1;
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message.split("\n")[0]}`);
  process.exitCode = 1;
});
