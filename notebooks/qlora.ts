// %% [markdown]
// # Quantization and QLoRA
//
// Dettmers, Pagnoni, Holtzman & Zettlemoyer, 2023, [arXiv:2305.14314](https://arxiv.org/abs/2305.14314).
//
// QLoRA stores the frozen base model in four bits per weight instead of sixteen, and trains LoRA's adapters on top of it.
// This page rounds a block of 64 weights by hand, asks whether the paper's sixteen values are the best ones, and then
// measures how much a model loses when it is stored, and how much of that tuning wins back.

// %% What was found
import { normalQuantile as Q, random, scope } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW } from "lowrank/nn";
import { dequantizeModel, nf4, nf4Equation4, quantize, quantizeModel } from "lowrank/quant";
import * as lab from "./papers/qlora/index.ts";
import { halfway, reordered, study } from "./support/experiments/study.ts";
import * as support from "./support/index.ts";

const { committedBase, display, md, table, fold, replication, libraryLines, meanStd } = support;
const { claims } = lab;
const found = support.opening();

// %% Settings
const settings = support.defineSettings({
  blockSize: { quick: 64, about: "weights that share one constant, in models", min: 32 },
  rank: { quick: 4, about: "r of the adapters", min: 1 },
  steps: { quick: 60, full: 200, about: "steps of tuning", min: 2 },
  seeds: { quick: 1, full: 5, about: "tuning runs of each format on each base", min: 1 },
  bases: { quick: 1, full: 2, about: "how many bases are tuned, 1 or 2", min: 1 },
  rates: { quick: [1.5e-2], full: [5e-3, 1.5e-2, 4.5e-2], about: "learning rates for each format" },
  rows: { quick: 64, full: 512, about: "held-out rows, a multiple of 32", min: 32 },
  samples: { quick: 1 << 17, full: 1 << 19, about: "random numbers that are rounded", min: 4096 },
});
const { blockSize, rank, steps } = settings;
quantize([0], { blockSize }); // a size that cannot be is refused here, before any experiment

// %% [markdown]
// ## One block of 64 weights, by hand
//
// Quantization replaces each weight by the nearest of a few values. QLoRA does so in blocks of 64 weights. Each block is
// divided by its largest magnitude, its *absmax*, so that the quotients lie between −1 and 1. Each quotient is rounded to
// the nearest of sixteen fixed values $v_0 … v_{15}$, the *codebook* NF4. What is kept is the number of that value, its
// *code*, which takes four bits, and one absmax for the block:
//
// $$ c_i = \arg\min_k \left| \frac{w_i}{\mathrm{absmax}} - v_k \right|, \qquad \hat w_i = v_{c_i} \cdot \mathrm{absmax}. $$
//
// The weights below are the first 64 of a small GPT that has learned to put a restaurant's facts into words.

// %% A block in plain code
const base = committedBase("tiny-a");
const weights = lab.linearWeights(base.copy());
const block = Array.from(weights.slice(0, 64));
const absmax = Math.max(...block.map(Math.abs));
const nearest = (x: number): number =>
  nf4.values.reduce((best, v, k) => (Math.abs(v - x) < Math.abs(nf4.values[best] - x) ? k : best), 0);
const coded = block.map((weight) => {
  const quotient = weight / absmax;
  const code = nearest(quotient);
  const value = nf4.values[code];
  return { weight, quotient, code, value, restored: value * absmax };
});
display(lab.blockTable(coded, absmax));

// %% The block as a picture
display(
  lab.blockPicture(
    lab.quotientsOf(weights, 64),
    coded,
    "Above: all weights of the model, each divided by the absmax of its block; at −1 and 1 stand the largest of the " +
      "blocks. Middle: our 64. Each goes to the nearest of NF4's sixteen values, which are closest together where most " +
      "weights are.",
  ),
);

// %% [markdown]
// The library does the same with a whole tensor. These are its lines for one block: `scale` is 1/absmax, and `writeCodes`
// finds the nearest values and puts two codes into each byte.

// %% The library's call
display(
  libraryLines(
    "quant/blockwise.ts",
    "const largest = largestIn(from, from",
    "writeCodes(rounding, bits, x, from",
  ),
);
const q = quantize(block, { format: "nf4", blockSize: 64 });
const agrees = q.codes().every((code, i) => code === coded[i].code);
display(md`\`quantize(block, { format: "nf4" })\` gives ${agrees ? "the same 64 codes" : "**other codes**"}. It holds ${q.bytes}
  bytes where float32 takes 256: 64 codes of half a byte, and one float32. That is **${q.bitsPerParameter} bits per weight**.`);

// %% [markdown]
// ## Where the sixteen values come from
//
// Trained weights are nearly normal, and the paper wants each of the sixteen values to be used equally often. So it takes
// quantiles of the normal distribution. With $Q$ the quantile function and $k = 4$ bits, equation 4 is
//
// $$ q_i = \tfrac12 \left( Q\!\left(\tfrac{i}{2^k+1}\right) + Q\!\left(\tfrac{i+1}{2^k+1}\right) \right). $$
//
// At $i = 0$ it asks for $Q(0) = -\infty$, and at $i = 2^k$ for $Q(1) = \infty$; these two have to be left out. The other
// fifteen are symmetric around a zero. To get sixteen, the positive half is made with one value more than the negative.
//
// The code that the authors released does something simpler: eight quantiles above zero and seven below, at evenly
// spaced probabilities that end at $1 - \tfrac12(\tfrac1{32} + \tfrac1{30})$. The first four lines below are all of it.

// %% NF4 in four lines
const last = 1 - (1 / 32 + 1 / 30) / 2;
const above = lab.evenly(0.5, last, 8).map((p) => Q(p) / Q(last));
const below = lab.evenly(0.5, last, 7).map((p) => -Q(p) / Q(last));
const released = [...below.reverse(), 0, ...above];

const away = (values: ArrayLike<number>): number =>
  Math.max(...lab.PUBLISHED.map((value, i) => Math.abs(value - values[i])));
const sixteen = lab.PUBLISHED.map((published, code) => {
  const derived = { "equation 4": nf4Equation4.values[code], "four lines": released[code] };
  return { code, ...derived, "in the library": nf4.values[code], "appendix E": published };
});
const [ours, printed] = [away(released).toExponential(0), away(nf4Equation4.values).toFixed(2)];
display(
  fold(
    `The four lines give the published values within ${ours}; equation 4 is up to ${printed} away.`,
    table(sixteen, { title: "NF4's sixteen values" }),
  ),
);
const exact = lab.PUBLISHED.every((value, i) => Math.fround(value) === nf4.values[i]);
display(
  replication({ ...claims.values, measured: "the library's, to the last bit of a float32", verdict: exact }),
);

// %% NF4 beside other formats of four bits
const normals = random(1).normal(settings.samples, 0, 1);
display(
  lab.valuesPicture(
    lab.quotientsOf(normals, 64),
    "Grey: normal numbers in blocks of 64. Int4 spaces its values evenly. The floating-point formats (a sign, E bits of " +
      "exponent, M bits of fraction) space them more closely towards zero; FP4 is what the authors' code has in place " +
      "of E2M1. NF4 follows the distribution.",
  ),
);

// %% [markdown]
// ## Is NF4 optimal?
//
// The paper calls NF4 *information-theoretically optimal*, because each value is used equally often. Sixteen values used
// equally often have an entropy of $\log_2 16 = 4$ bits, and entropy can be counted. There is a reason for doubt: what is
// rounded are not normal numbers, but normal numbers *divided by the largest of their block*. In every block one quotient
// is exactly 1 or −1, and the larger the block, the smaller are the others. Yoshida pointed this out three weeks after
// the paper (*NF4 Isn't Information Theoretically Optimal (and that's Good)*,
// [arXiv:2306.06965](https://arxiv.org/abs/2306.06965)).

// %% How often each code is used
const nf4Type = lab.plain(nf4);
const shares = [64, 1024].flatMap((size) =>
  lab.sharesOf(nf4Type, normals, size).map((share, code) => ({ code, share, blocks: `blocks of ${size}` })),
);
display(
  lab.usePicture(
    shares,
    "Neither line is flat. In large blocks the middle codes are used more, and the outer ones hardly at all.",
  ),
);
const entropies = Array.from({ length: 20 }, (_, seed) => {
  const numbers = random(100 + seed).normal(1 << 15, 0, 1);
  return lab.errorOf(nf4Type, numbers, 64).entropy;
});
display(
  replication({
    ...claims.equalUse,
    measured: `${meanStd(entropies)} bits in blocks of 64`,
    verdict: support.above(entropies, 4, { par: 0.01 }),
    seeds: entropies.length,
  }),
);

// %% [markdown]
// Is that bad? We make two more codebooks for every block size: one whose values *are* used equally often, and the one
// with the least squared error (both fitted to the numbers that are then rounded).

// %% NF4, equal use, and the least error
const codebooks = lab.codebooksBySize(normals, [32, 64, 256, 1024, 4096]);
const at64 = codebooks[1];
const worse = at64.equal < at64.nf;
display(lab.codebookTable(codebooks));
display(md`Sixteen values that are used equally often round **${worse ? "worse" : "better"}**: ${at64.equal.toFixed(1)} against
  ${at64.nf.toFixed(1)} dB in blocks of 64. They crowd where most weights are, and the few large weights, which make most of the
  squared error, are cut off. The least error is ${(at64.least - at64.nf).toFixed(1)} dB from NF4's, which is fitted to nothing.
  So NF4 is not optimal in the paper's sense${worse ? ", and is good for that very reason" : ""}.`);

// %% [markdown]
// ## Where NF4 is best, and where not
//
// No format is best for all numbers. Here are normal numbers, numbers with *heavy tails* (Student's t with three degrees of
// freedom, now and then one is very large), and the weights of a GPT of 211,264 parameters.

// %% Error by block size and kind of numbers
const kinds = {
  "normal numbers": normals,
  "heavy tails": lab.heavyTails(settings.samples, 2),
  "pretrained weights": lab.linearWeights(committedBase("restaurants-a").copy()),
};
const errors = lab.errorsOf(kinds, [32, 64, 128, 256, 512, 1024]);
const [normal, heavy, real] = Object.keys(kinds).map((numbers) => lab.nf4Best(errors, numbers));
const sizesOf = (sizes: number[]) =>
  sizes.length === 6 ? "at every block size" : `in blocks of ${sizes.join(", ")}`;
display(
  lab.errorPanels(
    errors,
    `NF4 has the least error for normal numbers ${sizesOf(normal)}, for these weights ${sizesOf(real)}, and for heavy ` +
      `tails only ${sizesOf(heavy)}. There, in blocks of 1024, ${lab.bestOf(errors, "heavy tails", 1024)} is best: one large ` +
      "number sets the scale for a thousand small ones, which only values close to zero can still tell apart.",
  ),
);

// %% The verdict for normal numbers
const at64normal = errors.filter(({ numbers, size }) => numbers === "normal numbers" && size === 64);
display(
  replication({
    ...claims.leastError,
    measured: at64normal.map(({ type, sqnr }) => `${type} ${sqnr.toFixed(1)}`).join(", "),
    verdict: normal.includes(64),
  }),
);

// %% [markdown]
// ## The constants take bits, too: double quantization
//
// Four bits are not all. One float32 absmax for every 64 weights is 32/64 = 0.5 bits more per weight. Larger blocks would
// have fewer constants, and a larger error. The paper's other way is *double quantization* (DQ): the absmax of 256 blocks
// are quantized in their turn. Their mean is subtracted, and the differences are stored in eight bits each, with one
// float32 for all 256. Blocks of 64 then cost 8/64 + 32/(64 · 256) = 0.127 bits.

// %% Bits and error by block size
const { rows: spent, bought, costs } = lab.spentBits(normals, [1024, 256, 128, 64, 32]);
display(
  lab.bitsPicture(
    spent,
    `Blocks of 64 with DQ take as many bits as blocks of 256 without, 4.13 per weight, and are ${bought.toFixed(2)} dB better.`,
  ),
);

// %% Bytes of a real tensor
const large = random(4).normal(1 << 20, 0, 1);
const bits = (doubleQuant: boolean) => quantize(large, { format: "nf4", doubleQuant }).bitsPerParameter;
const constants = [bits(false) - 4, bits(true) - 4].map((each) => each.toFixed(3)).join(", ");
const more = `${(100 * costs).toFixed(2)} %`;
display(
  replication([
    { ...claims.bits, measured: constants, verdict: constants === "0.500, 0.127" },
    { ...claims.free, measured: `${more} more squared error`, verdict: costs < 0.01 },
  ]),
);

// %% [markdown]
// ## A model that is only stored
//
// What does the rounding cost a model? We store pretrained models in each format and measure the loss (the cross-entropy
// in nats per token) on held-out text, for those that know restaurants on sentences in styles drawn anew. Two of them are
// deliberately small, with 16 numbers per token: they know the task, but have no weight to spare.

// %% Loss added by storing
const known = ["tiny-a", "tiny-b", "restaurants-a"] as const;
const names = settings.bases > 1 ? ([...known, "english"] as const) : known;
const stored = names.map((name) => {
  const from = committedBase(name);
  return lab.storedIn(from, lab.ownTask(from, settings.rows), lab.dataTypes, blockSize);
});
display(lab.storedTable(stored, blockSize));

// %% The verdict on storing
const [a, b] = stored;
const compared = ["NF4 + DQ", "Int4", "E2M1", "E3M0"];
const lowerThan = (type: string) =>
  [a, b].map(({ losses }) => support.lower(losses("NF4 + DQ"), losses(type), { par: 0 }));
display(
  replication({
    ...claims.stored,
    measured: [a, b].map(({ base, added }) => `${base}: ${added(compared)}`).join("; "),
    verdict: support.every(["Int4", "E2M1", "E3M0"].flatMap(lowerThan)),
  }),
);
const inNF4 = stored.map(
  ({ parameters, added }) => `${added(["NF4"]).slice(4)} (${parameters.toLocaleString("en")})`,
);
display(md`Nats that NF4 adds, by number of parameters: ${inNF4.join(", ")}. A model that loses nothing when it is stored has
  nothing to win back, and every format passes. So the experiments below use the two small ones.`);

// %% [markdown]
// **Change this and run again.** `npm start -- qlora --set blockSize=1024` stores the models in larger blocks. Look at the
// table above: which format loses most now? (The panel *heavy tails* is the hint.)
//
// ## QLoRA: one training run
//
// QLoRA's layer is equation 5, here with LoRA's scale $s = \alpha/r$. The frozen weight is restored from its codes
// whenever it is needed, used in a product, and thrown away; the adapters $L_1, L_2$ (LoRA's $A$ and $B$) are in full
// precision, and only they are trained:
//
// $$ Y = X \, \mathrm{doubleDequant}(c_1, c_2, W) + s \, X L_1 L_2. $$
//
// In the library these are two calls, `quantizeModel` and `inject`. The product with a packed weight is recorded with one
// input only, $X$: the weight has no gradient. The base can write in 54 styles; it learns the one style of a house.

// %% The product with a quantized weight
display(libraryLines("quant/layer/quantized-matmul.ts", 'const y = record("timesTransposed"', "]);"));

// %% Quantize, inject, loss, backward, step
const shifts = (["tiny-a", "tiny-b"] as const)
  .slice(0, settings.bases)
  .map((name) => support.nearShift(name, { reported: settings.rows }));
const [shift] = shifts;
const { prompt, completion } = lab.exampleOf(shift.domain);
const model = shift.copy();
const texts = [{ who: "the base", text: lab.written(model, prompt) }];

quantizeModel(model, { format: "nf4", blockSize, doubleQuant: true });
texts.push({ who: "stored in NF4 + DQ", text: lab.written(model, prompt) });

const adapted = inject(model, { method: "lora", rank, alpha: 2 * rank, target: "all-linear", seed: 1 });
const trained = adapted.parameters().filter(({ requiresGrad }) => requiresGrad);
const optimizer = new AdamW(trained, { lr: 1e-2 });
for (let step = 0; step < steps; step++)
  scope(() => {
    const { ids, labels } = shift.domain.batch(8, random(step));
    adapted.loss(ids, labels).backward();
    optimizer.step();
    optimizer.zeroGrad();
  });
texts.push({ who: `tuned for ${steps} steps`, text: lab.written(model, prompt) });

// %% What it writes
display(lab.textsTable([...texts, { who: "the house", text: completion }], prompt));

// %% [markdown]
// ## Does tuning win back what storing lost?
//
// The paper's central claim is that adapters learn again whatever storage in four bits loses. Each base is stored in each
// format, and the same adapters are tuned on it with the same batches. Two more formats show where it ends: NF4's
// construction with three bits and with two (rounded by this page, not packed). The metric of this page is the loss on
// held-out restaurants.

// %% Seven ways to store the base
const formats = ["float32", "Int4", "FP4", "NF4", "NF4 + DQ", "NF3", "NF2"];
const options = { rank, blockSize, rates: settings.rates, domain: shift.domain, prompt };
const results = study(lab.armsOf(formats, options), shifts, {
  steps,
  searchSteps: Math.ceil(steps / 2),
  rows: 8,
  seeds: settings.seeds,
});
const before = shifts.map((one) => lab.beforeTuning(formats, one, options));
const regained = lab.regained(before, results);
const mean = (format: string, key: "before" | "after" | "lost" | "left"): number =>
  meanStd(regained.filter((row) => row.format === format).map((row) => row[key])).mean;
const four = ["Int4", "FP4", "NF4", "NF4 + DQ"];
const span = (key: "lost" | "left"): string => {
  const values = four.map((format) => mean(format, key));
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toPrecision(2));
  return `${least} to ${most} nats`;
};

// %% Before and after
const picture = lab.beforeAfterPicture(
  regained,
  `Rings: the base as it was stored. Dots: after tuning, mean over seeds. The formats of four bits begin ${span("lost")} ` +
    `above float32 and end ${span("left")} above it. The scale is logarithmic.`,
);
display(picture);
display(lab.regainedTable(regained));

// %% The verdicts on tuning
const losses = (format: string) =>
  results.filter(({ arm }) => arm === format).flatMap((result) => result.losses);
const gain = mean("float32", "before") - mean("float32", "after");
const par = gain / 20;
const against = (format: string) => support.noWorse(losses("NF4 + DQ"), losses(format), { par });
const seeds = losses("NF4").length;
display(
  replication([
    { ...claims.recovers, verdict: against("float32"), seeds },
    { ...claims.fp4, verdict: support.lower(losses("NF4 + DQ"), losses("FP4"), { par }), seeds },
    { ...claims.dqTuned, verdict: against("NF4"), seeds },
  ]),
);
display(md`δ is a twentieth of what tuning gains on the base in float32. (The *LoRA* page asks whether adapters reach full
  fine-tuning; here the question is only whether they reach on four bits what they reach on the full base.)`);

// %% Was that long enough?
const shorter = halfway(results);
if (shorter.length > 0) {
  const turned = reordered(shorter, results, { par });
  const order =
    turned.length === 0 ? "no two formats change places" : `these change places: ${turned.join("; ")}`;
  display(
    fold(`Between ${steps / 2} and ${steps} steps ${order}.`, lab.halfwayTable(results, shorter, steps)),
  );
}

// %% [markdown]
// **Change this and run again.** `npm start -- qlora --set rank=1`: how much of what two and three bits lost can adapters
// of rank 1 win back? `--set steps=600`: does NF2 arrive after all?
//
// ## Afterwards: what to do with the adapter
//
// It can stay beside the base of four bits. It can be merged into a dense copy, $W + sBA$ in 16 or 32 bits: exact, but the
// memory is not saved any more. Or it can be merged and quantized again; then $sBA$ goes through the rounding, too.

// %% Three ways to keep what was learned
const dense = dequantizeModel(adapted.model); // W + sBA in float32
const again = adapted.toPlain(); // W + sBA, quantized again
const ways = lab.mergedLosses(results); // of every run above
display(
  lab.mergedTable(
    ways,
    [model, dense, again].map((one) => lab.written(one, prompt)),
  ),
);

const gained = mean("NF4 + DQ", "before") - mean("NF4 + DQ", "after");
const erased = (meanStd(ways.again).mean - meanStd(ways.kept).mean) / gained;
const [lost, kept] = [erased, lab.codesKept(model, again)].map((share) => `${(100 * share).toFixed(0)} %`);
display(md`The dense copy is exact. Quantizing again erases **${lost}** of what tuning had gained: ${kept} of all weights get back
  the code that they had, because $sBA$ is smaller there than the distance to the next value. So keep the adapter, or
  serve the merged model in 16 bits.`);

// %% [markdown]
// ## Memory: 65 billion parameters on one card
//
// Full fine-tuning in 16 bits takes 12 bytes per parameter: 2 for the weight, 2 for its gradient, 8 for Adam's moments.
// LoRA needs no gradients and moments for the base. QLoRA stores the base in a quarter of the bytes as well. We count
// LLaMA from its shapes: adapters of rank 64 on every linear layer, linear weights in NF4 with double quantization,
// everything else in 16 bits, one row of 512 tokens with gradient checkpointing.

// %% Bytes of LLaMA
display(
  lab.memoryPicture(
    lab.llamas,
    "In 16 bits the base of 65B alone needs two cards of 80 GB. With QLoRA it is a quarter of that, and all else is small.",
  ),
);
const inGB = (bytes: number, digits = 1): string => `${(bytes / 1e9).toFixed(digits)} GB`;
const [{ full, qlora, saved }] = lab.llamas.slice(-1);
const whole = lab.total(qlora);
display(
  replication([
    { ...claims.full, measured: inGB(full, 0), verdict: full > 780e9 },
    { ...claims.fits, measured: inGB(whole), verdict: whole < 48e9 },
    { ...claims.saves, measured: inGB(saved, 2), verdict: Math.round(saved / 1e9) === 3 },
  ]),
);
const step = lab.stepTable(base, base.domain.batch(8, random(5)), rank);
display(
  fold("All bytes, part by part, and a step of this page's model on the meter.", lab.bytesTable(), step),
);

// %% [markdown]
// The *paged optimizer* is the paper's third idea: when a long text makes memory short, pages of AdamW's moments wait
// elsewhere (there in the computer's memory, here in a file) until the step needs them.

// %% AdamW in pages
const paging = lab.paged(
  base.copy,
  [1, 2, 3].map((seed) => base.domain.batch(1, random(seed))),
  4,
);
display(
  replication({
    ...claims.paging,
    measured: `weights ${paging.equal ? "equal bit for bit" : "differ"}`,
    verdict: paging.equal && paging.resident <= paging.budget,
  }),
);

// %% [markdown]
// ## Your own model
//
// `npm start -- qlora --base FOLDER` adds a section on a GPT-2 or Llama in Hugging Face's format: the error of each layer,
// and the loss stored and tuned. `--text FILE` takes your text for that. Expect a smaller loss the larger the model is.

// %% A reader's model
const reader = support.readersShift();
if (reader) {
  const own = lab.readersModel(reader, { rank, blockSize, steps });
  display(lab.readersTable(own));
  display(fold(`The error of ${own.layers.length} layers.`, lab.layersTable(own)));
}

// %% Settings of this run, and the findings for the top of the page
display(support.settingsTable(settings));
const n = (format: string, key: "lost" | "left"): string => mean(format, key).toPrecision(2);
found.show(
  md`
  - **Storing costs, tuning wins back.** A small base loses ${n("NF4 + DQ", "lost")} nats per character when it is
    stored in NF4 and ${n("FP4", "lost")} in FP4. After ${steps} steps of LoRA on top of it, ${n("NF4 + DQ", "left")} and ${n("FP4", "left")} are left of that.
  - **It has an end.** Three bits lose ${n("NF3", "lost")} and keep ${n("NF3", "left")}${mean("NF3", "left") <= par ? ", little enough to count as none" : ""}; two bits lose ${n("NF2", "lost")} and keep ${n("NF2", "left")}.
  - **NF4 is not information-theoretically optimal**: its codes carry ${at64.entropy.toFixed(2)} bits, not 4.
    ${worse ? "That is good: values" : "Values"} that are used equally often round ${worse ? "worse" : "better"} (${at64.equal.toFixed(1)} against ${at64.nf.toFixed(1)} dB signal to noise).
  - **Double quantization** takes the constants from 0.5 to ${constants.slice(-5)} bits per weight and adds ${more} to the squared error.
  - **Quantizing a merged model again** erases ${lost} of what tuning had gained. Keep the adapter beside the base.`,
  picture,
);
