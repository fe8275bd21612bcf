/** @file A run as a program for Node, which takes the same steps and ends with the same bytes. */
import { trainedRank } from "./counts.ts";
import { LENGTH, ROWS } from "./domain.ts";
import { BUDGET, ITERATIONS } from "./methods.ts";
import { places } from "./places.ts";
import type { Controls } from "./types.ts";

/** The file that a pasted text is read from. */
export const TEXT_FILE = "my-text.txt";

/**
 * A TypeScript program that takes the first `steps` steps of a run and saves the adapter. It is for a checkout of the
 * repository: saved there as run.ts, `npx tsx run.ts`.
 */
export function snippetOf(controls: Controls, steps: number): string {
  const { method, format, seed, target } = controls;
  const isAdapter = method !== "full" && method !== "bitfit";
  const model = isAdapter ? "adapted" : "model";
  const lines = [
    "// A run of lowrank's live lab, step by step the same in Node. In a checkout of the repository: npx tsx run.ts",
    ...imports(controls),
    "",
    'setDevice("cpu");',
    'const base = "notebooks/bases/english";',
    "const model = loadPretrained(base) as Llama;",
    ...(method === "loftq" ? ["const original = loadPretrained(base);"] : []),
    target === "own"
      ? `const text = readFileSync("${TEXT_FILE}", "utf8"); // save there what was pasted`
      : `const text = labTexts()["${target}"];`,
    "const { training } = domainOf(loadTokenizer(base), text); // the rest is held out",
    "",
    ...(method === "bitfit" ? biases(controls) : []),
    ...(format === "float32" ? [] : [quantization(controls)]),
    ...(isAdapter ? adapters(controls) : []),
    ...(method === "adalora" ? allocator(controls) : []),
    optimizer(controls),
    "",
    ...(method === "adalora"
      ? ["const losses: number[] = []; // without the penalty", "fit(adapted, {"]
      : [`const { losses } = fit(${model}, {`]),
    `  steps: ${steps},`,
    "  optimizer,",
    `  batch: (step) => randomWindows(training, ${LENGTH + 1}, ${ROWS}, random(${seed}).split("batches").split(step)),`,
    ...(method === "adalora"
      ? [
          "  loss: (ids) => {",
          "    const loss = model.loss(ids);",
          "    losses.push(loss.item());",
          "    return loss.add(penalty());",
          "  },",
          "  beforeStep: () => allocator.observe(),",
          "  afterStep: (step) => allocator.allocate(step + 1),",
        ]
      : ["  loss: (ids) => model.loss(ids),"]),
    "});",
    "console.log(losses);",
    ...saving(controls),
  ];
  return `${lines.join("\n")}\n`;
}

/** PEFT has no form for biases alone, and none for LoftQ's start: of such a run the trained parameters are saved by name. */
const savesAdapter = ({ method }: Controls): boolean =>
  method !== "full" && method !== "bitfit" && method !== "loftq";

function saving(controls: Controls): string[] {
  if (savesAdapter(controls)) return ['saveAdapter(adapted, "out/adapter");'];
  if (controls.method === "full") return ['saveModule(model, "out/model.safetensors");'];
  return [
    `const trained = [...${controls.method === "loftq" ? "adapted" : "model"}.namedParameters()].filter(([, one]) => one.requiresGrad);`,
    "saveSafetensors(",
    '  "out/model.safetensors",',
    '  trained.map(([name, { shape, value }]) => [name, tensorBytes("F32", shape, value.data)]),',
    ");",
  ];
}

function imports(controls: Controls): string[] {
  const { method, format, target } = controls;
  const isAdapter = method !== "full" && method !== "bitfit";
  const lora = [
    ...(method === "adalora" ? ["type AdaLoRA", "BudgetAllocator"] : []),
    ...(isAdapter ? ["inject"] : []),
    ...(method === "lora+" ? ["loraPlus"] : []),
    ...(method === "adalora" ? ["orthogonality"] : []),
    ...(savesAdapter(controls) ? ["saveAdapter"] : []),
  ];
  const savesTrained = method === "bitfit" || method === "loftq";
  const core = [
    "random",
    ...(savesTrained ? ["saveSafetensors"] : []),
    "setDevice",
    ...(savesTrained ? ["tensorBytes"] : []),
    ...(method === "bitfit" ? ["zeros"] : []),
  ];
  const nn = [
    "AdamW",
    "fit",
    ...(method === "bitfit" ? ["type Linear"] : []),
    "type Llama",
    "loadPretrained",
    "loadTokenizer",
    "randomWindows",
    ...(method === "full" ? ["saveModule"] : []),
  ];
  const named = (names: readonly string[], from: string): string =>
    `import { ${names.join(", ")} } from "${from}";`;
  return [
    ...(target === "own" ? [named(["readFileSync"], "node:fs")] : []),
    ...(method === "bitfit" ? [named(["parameter"], "lowrank/autograd")] : []),
    named(core, "lowrank/core"),
    ...(lora.length > 0 ? [named(lora, "lowrank/lora")] : []),
    named(nn, "lowrank/nn"),
    ...(format === "float32" ? [] : [named(["quantizeModel"], "lowrank/quant")]),
    named(["domainOf"], "./notebooks/lab/engine/domain.ts"),
    ...(target === "own" ? [] : [named(["labTexts"], "./notebooks/lab/texts/files.ts")]),
    ...(method === "vera" ? [named(["vera"], "./test/lora/methods/vera.ts")] : []),
  ];
}

const quantization = ({ format, blockSize, doubleQuant }: Controls): string =>
  `quantizeModel(model, { format: "${format}", blockSize: ${blockSize}, doubleQuant: ${doubleQuant} });`;

function adapters(controls: Controls): string[] {
  const { method, rank, alpha, place, seed } = controls;
  const start = trainedRank(controls);
  const options = [
    ...(method === "vera" ? ["method: vera"] : []),
    ...(["dora", "adalora", "lora-fa"].includes(method) ? [`method: "${method}"`] : []),
    `rank: ${start}`,
    ...(method === "vera" ? [] : [`alpha: ${(alpha * start) / rank}`]),
    ...(method === "rslora" ? ["rankStabilized: true"] : []),
    ...(["pissa", "olora", "loftq"].includes(method) ? [`init: "${method}"`] : []),
    ...(method === "loftq" ? [`loftq: { original, iterations: ${ITERATIONS} }`] : []),
    `target: ${JSON.stringify(places[place])}`,
    `seed: ${seed}`,
  ];
  return ["const adapted = inject(model, {", ...options.map((option) => `  ${option},`), "});"];
}

function biases({ place }: Controls): string[] {
  return [
    "model.requiresGrad_(false);",
    "for (const [name, module] of model.namedModules()) {",
    `  if (!${JSON.stringify(places[place])}.some((end) => name.endsWith(end))) continue;`,
    "  const layer = module as Linear;",
    "  layer.bias = parameter(zeros([layer.outFeatures]));",
    "}",
  ];
}

function allocator({ rank, steps }: Controls): string[] {
  const { warmup, final } = BUDGET;
  return [
    'const parts = [...adapted.adapter("default").values()] as AdaLoRA[];',
    "const allocator = new BudgetAllocator(parts, {",
    `  totalSteps: ${steps},`,
    `  warmup: ${Math.round(warmup * steps)},`,
    `  final: ${Math.round(final * steps)},`,
    `  target: ${rank} * parts.length,`,
    "});",
    'const penalty = () => orthogonality(parts, { weight: 0.1, form: "code" });',
  ];
}

function optimizer({ method, rate, ratio }: Controls): string {
  const settings = `{ lr: ${rate}, weightDecay: 0 }`;
  if (method === "lora+")
    return `const optimizer = new AdamW(loraPlus(adapted, { lr: ${rate}, ratio: ${ratio}, embeddingLr: null }), ${settings});`;
  const parameters =
    method === "full"
      ? "model.parameters()"
      : `${method === "bitfit" ? "model" : "adapted"}.parameters().filter(({ requiresGrad }) => requiresGrad)`;
  return `const optimizer = new AdamW(${parameters}, ${settings});`;
}
