// %% [markdown]
// # The family: W₀ + s·B·A, and where each method changes it
//
// [LoRA](https://arxiv.org/abs/2106.09685), [rsLoRA](https://arxiv.org/abs/2312.03732),
// [LoRA+](https://arxiv.org/abs/2402.12354), [LoRA-FA](https://arxiv.org/abs/2308.03303),
// [PiSSA](https://arxiv.org/abs/2404.02948), [AdaLoRA](https://arxiv.org/abs/2303.10512),
// [VeRA](https://arxiv.org/abs/2310.11454), [DoRA](https://arxiv.org/abs/2402.09353).
//
// Eight methods are one formula with eight small changes. This page puts the formulas side by side, computes each by hand,
// trains them all and looks at what they leave in the weights: how many directions, in which matrices, and what can be
// done with the result. Which of them is worth using is the question of the page `compare`.

// %% What was found

import { add, type Tensor, tensor } from "lowrank/autograd";
import { random, scope } from "lowrank/core";
import { checkLaws, compose, convert, inject } from "lowrank/lora";
import { AdamW, clipGradientNorm, generate, linearDecay, nextTokenLoss } from "lowrank/nn";
import * as family from "./papers/lora-family/index.ts";
import {
  defineSettings,
  display,
  fold,
  libraryLines,
  md,
  opening,
  replication,
  settingsTable,
  table,
} from "./support/index.ts";

const found = opening();

// %% [markdown]
// ## One formula
//
// A linear layer has a frozen weight $W_0 \in \mathbb{R}^{d \times k}$. LoRA adds the product of a tall matrix
// $B \in \mathbb{R}^{d \times r}$ and a wide one $A \in \mathbb{R}^{r \times k}$, times a number $s = \alpha/r$. $B$ starts at zero,
// so that at first nothing changes, and $A$ is drawn at random.
//
// | method | the adapted weight $W'$ | where it changes LoRA |
// | --- | --- | --- |
// | LoRA | $W_0 + s\,B A$ with $s = \alpha/r$ | |
// | rsLoRA | $W_0 + s\,B A$ with $s = \alpha/\sqrt r$ | the number $s$ |
// | LoRA+ | $W_0 + s\,B A$ | the learning rate: $\eta_B = \lambda\,\eta_A$ |
// | LoRA-FA | $W_0 + s\,B A$ | what trains: $A$ stays as it was drawn |
// | PiSSA | $(W_0 - s\,B_0 A_0) + s\,B A$ | the start: $s\,B_0 A_0$ are the first $r$ singular directions of $W_0$ |
// | AdaLoRA | $W_0 + s\,P \Lambda Q$ | the rank: a diagonal $\Lambda$ in the middle, from which entries are struck out |
// | VeRA | $W_0 + \Lambda_b B \Lambda_d A$ | what trains: two diagonals; $A$ and $B$ are drawn once for all layers |
// | DoRA | $m \odot (W_0 + s\,B A) / \lVert W_0 + s\,B A \rVert$ | the size of each row, $m$, becomes a number of its own |

// %% [markdown]
// ## By hand, before the library
//
// One small layer with numbers in all matrices, as after training. Each line of the cell is a line of the table above;
// LoRA+ has no weight of its own.

// %% Seven weights in plain tensors

const settings = defineSettings(family.choices);
const { rank, ratio, steps, rows } = settings;
const dice = random(5);
const draw = (n: number, m: number): Tensor => tensor(Array.from(dice.normal(n * m)), [n, m]);
const [d, k, r, alpha] = [6, 5, 2, 4];
const [W0, B, A, b, λ, m] = [draw(d, k), draw(d, r), draw(r, k), draw(d, 1), draw(r, 1), draw(d, 1).abs()];
const BA = B.matmul(A);
const V = W0.add(BA.mul(alpha / r)); // W0 + s B A
const byHand: Record<string, Tensor> = {
  LoRA: V,
  rsLoRA: W0.add(BA.mul(alpha / Math.sqrt(r))),
  "LoRA-FA": V,
  PiSSA: W0.sub(family.bestOfRank(W0, r)).add(BA.mul(alpha / r)),
  AdaLoRA: W0.add(B.matmul(A.mul(λ)).mul(alpha / r)), // P = B, Q = A, Λ = diag λ
  VeRA: W0.add(B.mul(b).matmul(A.mul(λ))), //            Λ_b = diag b, Λ_d = diag λ
  DoRA: V.div(V.norm(1).reshape(d, 1)).mul(m), //        each row at length m
};
display(family.byHandTable(byHand, family.libraryWeights({ W0, B, A, b, λ, m, alpha })));

// %% [markdown]
// ## The library's own lines
//
// The same, as the library computes it: not $W'$, but $\Delta W x$ for an input $x$, so that the large $W_0$ is never copied.
// LoRA-FA differs from LoRA in one line, LoRA+ in none: it is a rule for the optimizer.

// %% One line each

for (const [file, first, last] of [
  ["lora/lora.ts", "const z = W0.down", "return W0.up"],
  ["lora/lora-fa.ts", "this.A.requiresGrad = false"],
  ["lora/adalora/adalora.ts", "const z = W0.down", "return W0.up"],
  ["lora/dora.ts", "const BAx =", "return Wx.sub(base)"],
  ["lora/init/pissa.ts", "return withResidual"],
  ["lora/lora-plus.ts", "B: { lr: lr * ratio"],
] as const)
  display(libraryLines(file, first, last));

// %% [markdown]
// ## What is true of all of them
//
// A family has laws. Each is a sentence with an equation and a check in the library (`lora/laws`); here every law is tried on
// random linear layers, transposed ones, embeddings and convolutions. Four of them carry everything else: at the start
// the model computes *what it did before, to the last bit*; *merged is adapted*, up to rounding; *unmerged is the original,
// to the last bit*; and the trained numbers are those of the formula.

// %% Every law, tried

const tried = family.tryLaws(settings.trials);
const strangers = checkLaws(family.vera, { trials: 3, sites: ["linear"] });
display(
  fold(
    `${tried.laws} laws, ${tried.trials} trials, ${tried.broken === 0 ? "none broken" : `${tried.broken} BROKEN`}; ${tried.exact} hold to the last bit. VeRA, which is not part of the library, keeps all ${strangers.length} that concern it${strangers.every(({ holds }) => holds) ? "" : ", but one"}.`,
    tried.table,
    family.countsTable(),
  ),
);

// %% [markdown]
// ## Train them all
//
// The base knows how to put a restaurant's facts into words in any of 54 styles. It is to learn the one style of a house,
// whose rules it must find from examples (the task of the page `lora`). All methods see the same batches.

// %% One loop for all methods

const near = family.nearShift("a", { reported: settings.held, choosing: 32 });
type Ready = ReturnType<ReturnType<typeof family.adapter>>;
function train({ adapted, optimizer, penalty, beforeStep, afterStep }: Ready, domain = near.domain): void {
  const first = optimizer.groups.map(({ lr }) => lr);
  const schedule = linearDecay({ warmup: Math.ceil(steps / 10), total: steps });
  for (let step = 0; step < steps; step++)
    scope(() => {
      const { ids, labels } = domain.batch(rows, random(1).split(step));
      const loss = nextTokenLoss(adapted.model, ids, labels);
      (penalty ? add(loss, penalty()) : loss).backward();
      clipGradientNorm(optimizer.parameters(), 1);
      beforeStep?.(step);
      for (const [i, group] of optimizer.groups.entries()) group.lr = first[i] * schedule(step);
      optimizer.step();
      afterStep?.(step);
      optimizer.zeroGrad();
    });
}

// %% Ten runs

const { adapter, adaLora, everything, plus, vera } = family;
const on = { rank, alpha: 2 * rank, target: "all-linear" } as const;
const recipes = [
  { name: "full fine-tuning", rate: 1e-3, prepare: everything() },
  { name: "LoRA", rate: 5e-3, prepare: adapter(on) },
  { name: "rsLoRA", rate: 5e-3, prepare: adapter({ ...on, rankStabilized: true }) },
  { name: "LoRA+", rate: 5e-3, prepare: adapter(on, plus(ratio)) },
  { name: "LoRA-FA", rate: 2e-2, prepare: adapter({ ...on, method: "lora-fa" }) },
  { name: "PiSSA", rate: 2e-3, prepare: adapter({ ...on, init: "pissa" }) },
  { name: "AdaLoRA", rate: 4e-2, prepare: adaLora({ rank }) },
  { name: "VeRA", rate: 0.1, prepare: adapter({ method: vera, rank: 16 * rank, target: "all-linear" }) },
  { name: "DoRA", rate: 5e-3, prepare: adapter({ ...on, method: "dora" }) },
];
const base = near.copy();
const trained = recipes.map(({ name, rate, prepare }) => {
  const ready = prepare(near.copy(), { rate, seed: 1, steps });
  train(ready);
  const loss = family.validationLoss(ready.adapted.model, near.domain);
  return { name, loss, ...ready.adapted, updates: family.updatesOf(ready.adapted, base) };
});

// %% [markdown]
// ## What they leave in the weights
//
// The singular values of ΔW say how many directions a method used: the picture is at the top of the page. The form decides
// how many it *can* use: $r$ for a product $B A$, $2r$ for PiSSA (it also takes $B_0 A_0$ away), $16 r$ for VeRA, whose matrices
// are wide because they cost nothing, and all of them for DoRA, since every row gets a new length.

// %% The singular values of ΔW

const picture = family.spectra(trained, {
  title: "Singular values of ΔW, mean over the layers",
  caption: `Same base, same batches, ${steps} steps. A bar is a direction in which the weights changed; logarithmic. Products of two thin matrices stop at a wall; full fine-tuning and DoRA do not.`,
});
display(family.directionsTable(trained, rank, near.before));

// %% [markdown]
// AdaLoRA is the only one that chooses its rank layer by layer: it starts with more triplets than it may keep, and strikes
// out the ones that matter least. Where does it, and where do the others, change the model?

// %% Which matrices change

const sizeOf = ({ updates }: (typeof trained)[number]): number =>
  family.mean(updates.map(({ size }) => size));
const bySize = [...trained].sort((a, b) => sizeOf(b) - sizeOf(a)).map(({ name }) => name);
display(
  family.whereItChanges(trained, {
    title: "‖ΔW‖ / ‖W₀‖ in percent, mean over the blocks",
    caption: `Darker is more. ${bySize[0]} moves the weights most, ${bySize[bySize.length - 1]} least; losses are in the table above, and a larger ΔW is not a better one.`,
  }),
);
const inLayer = trained.find(({ name }) => name === "AdaLoRA")?.updates.map((one) => one.rank) ?? [];
display(md`
  AdaLoRA ends with ${inLayer.reduce((x, y) => x + y, 0)} triplets in ${inLayer.length} layers, at most ${Math.max(...inLayer)} and at least ${Math.min(...inLayer)} in one. The page \`adalora\` asks whether that is
  the right place for them.
`);

// %% [markdown]
// ## Two methods that are one
//
// rsLoRA changes $s$, LoRA+ changes the rate of $B$. Under Adam, whose steps do not depend on the size of a gradient, that is the
// same: with $c\,s\,B A = s\,(cB) A$, and $B$ starting at zero, a factor $c$ on $s$ is a factor $c$ on the rate of $B$. At rank $r$,
// rsLoRA has $c = \sqrt r$. So **rsLoRA at rate η is LoRA+ with η for A and √r η for B**, to rounding (without clipping, which sees the
// gradient's size).

// %% rsLoRA against LoRA+ with λ = √r

const deltasOf = (config: object, faster: number) => {
  const model = near.copy();
  const adapters = inject(model, { ...on, ...config, seed: 1 });
  const factors = [...adapters.adapter("default").values()].flatMap((part) => part.parameters());
  const [A, B] = [0, 1].map((side) => factors.filter((_, at) => at % 2 === side));
  const groups = [{ params: A, lr: 1e-3 }, { params: B, lr: 1e-3 * faster }]; // biome-ignore format: side by side
  const optimizer = new AdamW(groups, { weightDecay: 0, eps: 1e-12 });
  for (let step = 0; step < 10; step++)
    scope(() => {
      const { ids, labels } = near.domain.batch(rows, random(2).split(step));
      nextTokenLoss(model, ids, labels).backward();
      optimizer.step();
      optimizer.zeroGrad();
    });
  return family.updatesOf({ model, adapters, seed: 1, inUse: [] }, base).map(({ delta }) => delta);
};
const [stabilized, faster] = [deltasOf({ rankStabilized: true }, 1), deltasOf({}, Math.sqrt(rank))];
const apart = Math.max(...stabilized.map((delta, i) => family.relativeDistance(delta, faster[i])));
display(md`After 10 steps the two ΔW differ by at most ${apart.toExponential(0)} of their largest entry.`);

// %% [markdown]
// ## Adapters add up
//
// ΔW is a matrix, whatever made it: adapters can be summed, switched, and given to single rows of a batch. Two adapters learn
// *half of the house's style* each: one its words for verb and price, leaving the rest free, the other its order and its words
// for the place. Does the sum of the two know all four rules, though no example ever showed them together?

// %% Two halves of a style

const held = { reported: settings.held, choosing: 32 };
const halves = {
  words: family.taskShift("a", family.words, held),
  places: family.taskShift("a", family.places, held),
};
const model = near.copy();
const both = inject(model, { ...on, seed: 1, name: "words" });
both.addAdapter("places", { ...on, seed: 2 });
for (const [name, { domain }] of Object.entries(halves)) {
  both.activate(name); // and it alone is trained
  const factors = both.parameters().filter(({ requiresGrad }) => requiresGrad);
  const optimizer = new AdamW(factors, { lr: 5e-3, weightDecay: 0 });
  train({ module: both, adapted: { model, adapters: null, seed: 1, inUse: [] }, optimizer }, domain);
}

// %% Their sum

compose(both, "sum", { words: 1, places: 1 });
const domains = [halves.words, halves.places, near].map(({ domain }) => domain);
const judged = [[], ["words"], ["places"], ["words", "places"], ["sum"]].map((active) => ({
  adapters: active.join(" and ") || "none",
  losses: both.withAdapters(active, () => domains.map((domain) => family.validationLoss(model, domain))),
}));
const lora = trained.find(({ name }) => name === "LoRA");
display(family.halvesTable(judged, lora?.loss ?? Number.NaN));

// %% [markdown]
// **Another adapter for each row.** One batch, one base, four customers: `withRows` gives every row its own adapter, and what it
// writes is what it would have written alone.

// %% Four rows, four adapters

const { prompt, house } = family.example;
const ids = Array.from(near.tokenizer.encode(prompt));
const write = (prompts: number[][]): string[] =>
  generate(model, prompts, { maxNewTokens: 79 - ids.length, stopTokens: [0] }).rows.map((row) =>
    near.tokenizer.decode(row).slice(prompt.length).trim(),
  );
const customers = [null, "words", "places", "sum"];
const together = both.withRows(customers, () => write(customers.map(() => ids)));
const alone = customers.flatMap((name) => both.withAdapters(name ?? [], () => write([ids])));
display(
  table(
    together.map((text, i) => ({
      "adapter of the row": customers[i] ?? "none",
      "goes on, likeliest first": text,
      "as alone": text === alone[i],
    })),
    { title: prompt, note: `The house says: ${house}`, volatile: ["goes on, likeliest first"] },
  ),
);

// %% [markdown]
// ## From one form to another
//
// Every ΔW can be turned into plain LoRA: cut its singular values after the first few (the best that a product of that rank
// can be). `convert` does it for any adapter, so that a tool that knows only LoRA can read DoRA. What is lost? The picture
// cuts full fine-tuning's ΔW, too: how much rank did the task need, if nobody forced it into one?

// %% The loss by the rank that is kept

const cut = ["full fine-tuning", "DoRA", "AdaLoRA", "LoRA"].flatMap((name) => {
  const one = trained.find((other) => other.name === name);
  const models = family.truncatedModels(near.copy, one?.updates ?? [], settings.kept);
  return models.map((model, i) => ({
    method: name,
    rank: settings.kept[i],
    loss: family.validationLoss(model, near.domain),
  }));
});
display(
  family.lossByRankKept(cut, {
    title: "Held-out loss with only the first directions of ΔW",
    caption: `LoRA is whole from r = ${rank} on. Where a line is flat, the directions that were cut did nothing for the task.`,
  }),
);
const doraModel = trained.find(({ name }) => name === "DoRA")?.adapters;
const plainLora = doraModel ? convert(doraModel, "default", "plain", { rank: 2 * rank }) : [];
const lost = family.mean(plainLora.map(({ error }) => error));
display(md`
  As LoRA of rank ${2 * rank}, DoRA's ΔW is off by ${(100 * lost).toFixed(0)} % of its length: \`convert(model, "default", "plain", { rank: ${2 * rank} })\`.
`);

// %% [markdown]
// ## What the papers say that can be checked exactly

// %% Verdicts

const updatesOf = (name: string) => trained.find((one) => one.name === name)?.updates ?? [];
const merges = trained.flatMap((one) => family.mergeError(one, near.domain.validation[0]) ?? []);
display(
  replication(
    family.exactClaims({ merges, rank, loraFA: updatesOf("LoRA-FA"), adaLora: updatesOf("AdaLoRA") }),
  ),
);

// %% [markdown]
// ## Change this and run again
//
// - `npm start -- lora-family --set rank=1`: where is the wall now, and does the sum of the two halves still work?
// - `npm start -- lora-family --set steps=300 --set rows=8`: with longer training the sentences of the four rows follow the rules.
// - `npm start -- lora-family --set rank=16`: does full fine-tuning's ΔW have more directions than LoRA's that matter?

// %% The settings, and what was found

display(fold("The settings of this run.", settingsTable(settings)));
const whole = (name: string): string => family.ranksIn(updatesOf(name));
const [none, , , summed] = judged.map(({ losses }) => losses[2]);
const least = Math.min(judged[1].losses[2], judged[2].losses[2]);
found.show(
  md`
  All eight methods are **W₀ + s·B·A with one thing changed**: the number s (rsLoRA), the rate of B (LoRA+), what trains (LoRA-FA,
  VeRA), the start (PiSSA), the rank (AdaLoRA), the lengths of the rows (DoRA). The picture shows the trace each leaves: with r = ${rank},
  LoRA's ΔW has rank ${whole("LoRA")}, PiSSA's ${whole("PiSSA")}, AdaLoRA's ${whole("AdaLoRA")} by layer, DoRA's ${whole("DoRA")}, full fine-tuning's ${whole("full fine-tuning")} of ${Math.min(...trained[0].updates.map(({ values }) => values.length))}.

  rsLoRA and LoRA+ with λ = √r turn out to be one method: from the same start their ΔW differ by ${apart.toExponential(0)} of the largest entry. Whatever the method, ΔW is a matrix: all ${merges.length} merge into the
  weights. Two adapters that each learned half of a style, added up, give a loss of ${summed.toFixed(3)} nats on the whole style; the base has ${none.toFixed(3)}, the better half alone ${least.toFixed(3)}, an adapter trained on the whole ${(lora?.loss ?? 0).toFixed(3)}.
  `,
  picture,
);
