// %% [markdown]
// # Learning and forgetting
//
// Biderman et al., 2024, “LoRA Learns Less and Forgets Less”,
// [arXiv:2405.09673](https://arxiv.org/abs/2405.09673); Shuttleworth et al., 2024, “LoRA vs Full Fine-tuning: An Illusion
// of Equivalence”, [arXiv:2410.21228](https://arxiv.org/abs/2410.21228).
//
// A model that is adapted to new text gets worse at the text that it came from. Does LoRA forget less than full
// fine-tuning, or does it only learn less? This page measures both on two texts, compares methods at *equal learning*, and
// looks for what forgetting leaves in the weights: directions that the base did not have.
//
// **To run it:** `npm start -- forgetting` (`--full` for the long setting). Every number was measured by this run unless
// its column says *paper*. One number decides: forgetting, the held-out loss on the base's own text after training minus
// before, in nats.

// %% What was found

import { tensor } from "lowrank/autograd";
import { random, svd } from "lowrank/core";
import { compose, inject } from "lowrank/lora";
import { AdamW, generate, linearDecay, nextTokenLoss } from "lowrank/nn";
import * as study from "./papers/forgetting/index.ts";
import { taskDomain } from "./support/data/domain.ts";
import { anyStyle } from "./support/data/house-style.ts";
import { TIME } from "./support/experiments/bases.ts";
import { validationLoss } from "./support/experiments/evaluation.ts";
import { farShiftOf, nearShift } from "./support/experiments/shifts.ts";
import { mean } from "./support/experiments/statistics.ts";
import * as show from "./support/index.ts";

const { display, table, fold, replication, meanStd } = show;
const { CLAIMS, FULL, judged } = study;
const found = show.opening();

// %% Settings

const settings = show.defineSettings({
  ranks: { quick: [1, 8], full: [1, 4, 16], about: "ranks of LoRA; α = 2r, on all linear layers", min: 1 },
  durations: { quick: [6, 18], full: [12, 48, 192], about: "steps of the runs", min: 1 },
  rows: { quick: 4, about: "rows of a batch", min: 1 },
  held: { quick: 32, full: 512, about: "held-out rows of each text, a multiple of 32", min: 32 },
  seeds: { quick: 1, full: 5, about: "paired seeds", min: 1 },
  search: { quick: 0, full: 3, about: "seeds by which rates are chosen; 0 takes the middle ones" },
  near: { quick: 1, full: 2, about: "bases of the near shift: 1 or 2", min: 1 },
  threshold: { quick: 0.5, about: "ε: below it no singular vector of the base is like the new one" },
  k: { quick: 10, about: "k: singular vectors of a matrix that are looked at", min: 1 },
});
const { rows, held, seeds, durations } = settings;
const [middle, longest] = [durations[durations.length >> 1], durations[durations.length - 1]];
const detection = { threshold: settings.threshold, k: settings.k };

// %% [markdown]
// ## Two bases, two texts each
//
// **Far:** the base `declarations` writes TypeScript declarations and is adapted to the English comments between them. It
// might well keep both. **Near:** `restaurants-a` and `-b` put facts into sentences in any of 54 styles, and are adapted to
// the one style of a house. Here forgetting is part of the task: the same prompt is to be answered by one style where 54
// were right, so a model that has learned the house's style must have moved away from the others.

// %% The two texts of each base

const reported = { reported: held, choosing: 32 };
const farShift = show.readersShift({ models: ["gpt2"] }) ?? farShiftOf("declarations", reported);
const styles = taskDomain(anyStyle, { time: TIME, test: held, random: random(12) });
const far = study.groundOf(farShift, study.ownText(farShift.base, held));
const nears = (["a", "b"] as const)
  .slice(0, settings.near)
  .map((name) => study.groundOf(nearShift(name, reported), styles));
const gentle = { ...far, shift: { ...far.shift, base: `${far.shift.base}, ¼ rates` } };
const grounds = [far, gentle, ...nears];
display(
  table(
    [far, ...nears].map(({ shift, own, ownLoss, newLoss }) => ({
      base: shift.base,
      "its own text": study.sample(own, shift.tokenizer),
      "loss on it": ownLoss,
      "the new text": study.sample(shift.domain, shift.tokenizer),
      "loss on that": newLoss,
    })),
  ),
);

// %% [markdown]
// ## By hand: a bowl on either side
//
// Near a base that is trained to the end, the loss on its own text is a bowl with its bottom at the base. After adaptation
// the loss on the new text is near the bottom of another one. Walk from the base ($\lambda = 0$) to the adapted model
// ($\lambda = 1$) along $\Delta W$. If both are parabolas on this way,
//
// $$\text{learned}(\lambda) = 1 - (1 - \lambda)^2 \qquad \text{forgotten}(\lambda) = \lambda^2$$
//
// as shares of the whole. At half of the update three quarters are learned and one quarter is forgotten: **scaling an
// update down costs little of what was learned and takes away much of what was forgotten**, whatever the update is. Any
// remedy after training has to be better than that. The same in numbers, for two weights:

// %% Two weights in plain tensors

const [home, target] = [tensor([0, 0]), tensor([2, 1])]; // the base, and the best weights for the new text
const bowl = (weights: typeof home, bottom: typeof home, curvature: number[]): number =>
  weights.sub(bottom).square().mul(tensor(curvature)).sum().item() / 2;
const walk = [0, 0.25, 0.5, 0.75, 1].map((λ) => {
  const weights = home.add(target.sub(home).mul(λ));
  const [own, fresh] = [bowl(weights, home, [1, 3]), bowl(weights, target, [2, 1])];
  return { λ, "loss on its own text": own, "loss on the new text": fresh };
});
const [start, end] = [walk[0], walk[4]];
display(
  table(
    walk.map((row) => ({
      ...row,
      "share forgotten": row["loss on its own text"] / end["loss on its own text"],
      "share learned": 1 - row["loss on the new text"] / start["loss on the new text"],
    })),
    { title: "From the base to the adapted weights" },
  ),
);

// %% [markdown]
// ## An adaptation, and what it leaves of the base
//
// The whole training of one adapter, on the far shift. Afterwards the adapter is switched off, and the base is back **to
// the last bit**. As long as an adapter is kept apart, nothing is forgotten for good: forgetting is what happens while it
// is on, or once it is merged.

// %% Inject, loss, backward, step

const rank = settings.ranks[settings.ranks.length - 1];
const model = far.shift.copy();
const adapted = inject(model, { method: "lora", rank, alpha: 2 * rank, target: "all-linear", seed: 1 });
const write = (prompt: string): string => {
  const ids = [[...far.shift.tokenizer.encode(prompt)]];
  const { rows } = generate(model, ids, { maxNewTokens: 60, temperature: 0.6, seed: 3 });
  return far.shift.tokenizer.decode(rows[0]).replaceAll("\n", "⏎");
};
const prompts = { "its own text": "    function ", "the new text": "Returns the " };
const texts = Object.entries(prompts).map(([of, prompt]) => ({ of, before: write(prompt), after: "" }));
const trained = adapted.parameters().filter((parameter) => parameter.requiresGrad);
const optimizer = new AdamW(trained, { lr: 8e-3, weightDecay: 0 });
const schedule = linearDecay({ warmup: Math.ceil(longest / 10), total: longest });
for (let step = 0; step < longest; step++) {
  const { ids, labels } = far.shift.domain.batch(rows, random(1).split(step));
  nextTokenLoss(model, ids, labels).backward();
  optimizer.groups[0].lr = 8e-3 * schedule(step);
  optimizer.step();
  optimizer.zeroGrad();
}
for (const text of texts) text.after = write(prompts[text.of as keyof typeof prompts]);

// %% Before, after, and with the adapter off

const both = () => ({ own: validationLoss(model, far.own), fresh: validationLoss(model, far.shift.domain) });
const [on, off] = [both(), adapted.disabled(both)];
display(
  table(texts, { title: "What the model writes, before and after", columns: ["of", "before", "after"] }),
);
display(
  table(
    [
      { model: "the base", "loss on its own text": far.ownLoss, "loss on the new text": far.newLoss },
      { model: "adapter on", "loss on its own text": on.own, "loss on the new text": on.fresh },
      { model: "adapter off", "loss on its own text": off.own, "loss on the new text": off.fresh },
    ],
    { title: `LoRA, r = ${rank}, ${longest} steps`, tolerance: 0.05 },
  ),
);
const restored = off.own === far.ownLoss && off.fresh === far.newLoss;

// %% [markdown]
// ## At equal learning
//
// Runs of several lengths, each with its own decay of the rate, so that each is a finished model. The picture shows what
// each has forgotten against what it has learned. If LoRA only learns less, all methods lie on one curve. If it forgets
// less at equal learning, its curves lie below. Each method runs at the rate at which it learns best, and on the far shift
// at a quarter of that, too: the rate may matter more than the method. The page
// `lora-without-regret` looks for the rate that learns best; it need not be the one that forgets
// least.

// %% The methods and their rates

const rates = (list: readonly number[]): readonly number[] => (settings.search > 0 ? list : [list[1]]);
const arms = [
  study.fullArm(rates([5e-4, 1e-3, 2e-3, 4e-3])),
  ...settings.ranks.map((r) => study.loraArm(r, rates([4e-3, 8e-3, 1.6e-2, 3.2e-2]))),
];
const choose = { steps: middle, rows, search: settings.search };
const [farArms, nearArms] = [study.chooseRates(arms, far, choose), study.chooseRates(arms, nears[0], choose)];
const armsOn = (ground: study.Ground): study.Arm[] => {
  if (ground === far) return farArms;
  const chosen = ground === gentle ? study.slower(farArms, 4) : nearArms;
  return settings.search > 0 ? chosen : chosen.filter((arm) => arm.name !== arms[1].name); // quick: fewer arms
};
const onBases = { [far.shift.base]: farArms, [nears[0].shift.base]: nearArms };
if (settings.search > 0)
  display(fold("The rates that were tried, and those chosen.", study.ratesTable(onBases)));

// %% What is forgotten against what is learned

const protocol = { rows, detection };
const lengthsOn = (ground: study.Ground) => (settings.search > 0 || ground === far ? durations : [longest]);
const factors = settings.search > 0 ? [0, 0.25, 0.5, 0.75, 1, 1.25] : [0, 0.5, 1];
const changed: study.ScaledLoss[] = [];
const shown: { readonly arm: string; readonly cosines: number[][] }[] = [];
const points = grounds.flatMap((ground) =>
  study.learnAndForget(ground, armsOn(ground), lengthsOn(ground), seeds, protocol, (kept, arm) => {
    if (ground !== far) return;
    if (kept.point.seed === 100) shown.push({ arm: arm.name, cosines: study.mostChanged(far, kept, 12) });
    if (arm.rank === rank) changed.push(...study.scalings(far, kept, factors, detection));
  }),
);
const trade = study.tradeOff(points, grounds);
display(trade);

// %% After equally many steps, and at equal learning

const [low, high] = [settings.ranks[0], rank].map((r) => `LoRA, r = ${r}`);
const here = (ground: study.Ground) => points.filter(({ base }) => base === ground.shift.base);
const last = (ground: study.Ground, arm: string, what: study.Measure): number[] =>
  here(ground)
    .filter((one) => one.arm === arm && one.steps === longest)
    .map((one) => one[what]);
const levels = grounds.map((ground) => study.commonLevel(here(ground)));
const equal = (i: number, arm: string): number[] =>
  study.forgottenAt(here(grounds[i]), grounds[i], arm, levels[i]);
const rowsOf = grounds.flatMap((ground, i) =>
  armsOn(ground).map(({ name }) => ({
    base: ground.shift.base,
    method: name,
    "loss on the new text": meanStd(last(ground, name, "learned")),
    forgotten: meanStd(last(ground, name, "forgotten")),
    "at equal learning": meanStd(equal(i, name)),
  })),
);
const note = `After ${longest} steps; last column: forgotten when the loss on the new text has come down to ${levels.map((level) => level.toPrecision(3)).join(", ")}.`;
display(table(rowsOf, { title: "What each method has learned and forgotten", note, tolerance: 0.05 }));

// %% Verdicts on learning and forgetting

const learnsLess = show.higher(last(far, low, "learned"), last(far, FULL, "learned"), { par: 0 });
const forgetsLess = show.lower(last(far, low, "forgotten"), last(far, FULL, "forgotten"), { par: 0 });
const byRank = show.higher(last(far, high, "forgotten"), last(far, low, "forgotten"), { par: 0 });
const atEqual = (i: number, arm: string) => show.lower(equal(i, arm), equal(i, FULL), { par: 0.01 });
const [atLow, atHigh, gently] = [atEqual(0, low), atEqual(0, high), atEqual(1, high)];
const near = show.every(nears.map((_, i) => atEqual(i + 2, high)));
const further = mean(last(far, high, "change")) / mean(last(far, FULL, "change"));
const why = `far shift, ${low} and ${high}; ${high} moves the weights ${further.toFixed(1)} times as far as full fine-tuning`;
display(
  replication([
    judged(CLAIMS.learnsLess, learnsLess, seeds, { note: `far shift, ${longest} steps, ${low}` }),
    judged(CLAIMS.forgetsLess, forgetsLess, seeds, { note: "the same runs" }),
    judged(CLAIMS.byRank, byRank, seeds, { note: `far shift, ${high} against ${low}` }),
    judged(CLAIMS.equalLearning, show.every([atLow, atHigh]), seeds, { note: why }),
    judged(CLAIMS.equalLearning, gently, seeds, { note: `far shift, a quarter of the rates, ${high}` }),
    judged(CLAIMS.equalLearning, near, nears.length * seeds, { note: `near shift, ${high}` }),
  ]),
);

// %% [markdown]
// Equal learning is the fair question. One thing to compare is how far each method moves the weights for it: the note above
// says it, and the table on intruders below has it for every rank.

// %% [markdown]
// ## Directions that the base did not have
//
// Let $W_0 = \sum_i \sigma_i x_i v_i^\top$, and $y_j$ the left singular vectors of $W_0 + \Delta W$. $y_j$ is an
// **intruder dimension** if $\max_i |\cos(y_j, x_i)| < \varepsilon$ (Shuttleworth, definition 3.1; the authors' code takes
// $|\cos|$, $\varepsilon = 0.5$ and the $k = 10$ largest). By hand: $W_0 = \operatorname{diag}(10, 9, \dots, 1)$ has the
// unit vectors as singular vectors. Add a direction that is like none of them, $c\, b b^\top$ with $b = (1, \dots,
// 1)/\sqrt{10}$, whose cosine with each is $0.316$. A weak one only tilts the old vectors; a strong one comes in as a new
// one.

// %% Power iteration by hand, and the library's svd

const n = 10;
const W0 = tensor(study.diagonal([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), [n, n]);
const b = tensor(new Array(n).fill(1 / Math.sqrt(n)), [n, 1]);
const strengths = [0.5, 2, 5, 10, 20].map((c) => {
  const W = W0.add(b.matmul(b.T).mul(c));
  let y = b;
  for (let step = 0; step < 200; step++) {
    y = W.matmul(y);
    y = y.div(y.square().sum().sqrt());
  }
  const byHand = Math.max(...y.abs().value.data);
  const { U } = svd(Float64Array.from(W.value.data), n, n);
  const library = Math.max(...Array.from({ length: n }, (_, i) => Math.abs(U[i * n])));
  return { "strength c": c, "largest |cos|, by hand": byHand, "by svd": library, intruder: library < 0.5 };
});
display(table(strengths, { title: "The first singular vector of W₀ + c b bᵀ" }));

// %% The singular vectors of one weight, after against before

const see = "Dark cells are vectors that stayed; a row without a dark cell is a new direction.";
const matrix = "The output layer of the last MLP";
display(
  study.similarityPicture(shown, {
    title: `${matrix}: |cos| of its first 12 singular vectors`,
    caption: see,
  }),
);

// %% Intruders in the whole model

const counts = arms.map(({ name }) => ({
  method: name,
  ...Object.fromEntries(
    [far, gentle, nears[0]].map((ground) => [
      ground.shift.base,
      last(ground, name, "intruders").length > 0 ? meanStd(last(ground, name, "intruders")) : null,
    ]),
  ),
  "‖ΔW‖ / ‖W₀‖": meanStd(last(far, name, "change")),
}));
const looked = far.weights.size * settings.k;
const byChance = [64, 256].map((size) => study.chance(size, 64, random(4)).toFixed(2));
const chanceNote = `A random direction has a largest cosine of ${byChance[0]} in 64 dimensions and ${byChance[1]} in 256: it would count.`;
display(
  table(counts, {
    title: `Intruder dimensions among ${looked} singular vectors of a model`,
    note: chanceNote,
  }),
);

// %% Verdicts on intruders

const lesser = `LoRA, r = ${settings.ranks[Math.max(0, settings.ranks.length - 2)]}`;
const onEach = (decide: typeof show.higher, one: string, other: string) => {
  const counted = grounds.map((ground) => [one, other].map((arm) => last(ground, arm, "intruders")));
  return show.every(counted.filter(([, b]) => b.length > 0).map(([a, b]) => decide(a, b, { par: 0 })));
};
const more = onEach(show.higher, high, FULL);
const fewer = onEach(show.lower, high, lesser);
const places = `on each of ${grounds.map(({ shift }) => shift.base).join("; ")}`;
const most = `r = 1 can add about one to each of the ${far.weights.size} matrices, and no more`;
display(
  replication([
    judged(CLAIMS.intruders, more, seeds, { note: `${high}, ε = ${settings.threshold}, ${places}` }),
    judged(CLAIMS.fewerByRank, fewer, seeds, { note: `${high} against ${lesser}, ${places}; ${most}` }),
  ]),
);

// %% [markdown]
// ## Do they go with forgetting?
//
// As in figure 7 of Shuttleworth: one rank at several rates and lengths, all on the far shift. A larger rate makes both
// larger, so a correlation alone says little about a cause: both also grow with the size of the update.

// %% Rates and lengths of one rank

const bold = { ...far, shift: { ...far.shift, base: `${far.shift.base}, 2 × rate` } };
const twice = farArms
  .filter(({ name }) => name === high)
  .map((arm) => ({ ...arm, rates: [2 * arm.rates[0]] }));
const bolder = study.learnAndForget(bold, twice, lengthsOn(bold), Math.min(seeds, 2), protocol);
const dots = [...here(far), ...here(gentle), ...bolder];
display(study.scatter(dots, "All runs on the far shift: rates, lengths and methods."));
const ofRank = dots.filter(({ arm }) => arm === high);
const of = (key: "intruders" | "forgotten" | "change"): number[] => ofRank.map((one) => one[key]);
const ρ = study.rankCorrelation(of("intruders"), of("forgotten"));
const ρChange = study.rankCorrelation(of("change"), of("forgotten"));
const together = study.correlated(ρ, ofRank.length);
const aside = `${ofRank.length} runs of ${high}. With the size of the update, ‖ΔW‖, the rank correlation of forgetting is ${ρChange.toFixed(2)}.`;
display(replication(judged(CLAIMS.together, together, ofRank.length, { note: aside })));

// %% [markdown]
// ## Scaling it down
//
// The paper's intervention multiplies one singular value of each matrix by $\lambda$: $W = W_0 + \Delta W + (\lambda - 1)\,
// u_i \sigma_i v_i^\top$, for the top intruder or for a neighbour of it. We add the plain knob that every adapter has:
// $W_0 + \lambda\, \Delta W$, which is $\alpha$ turned down after training. By the bowls above it already removes more of
// the forgetting than of the learning.

// %% Intruders, their neighbours, or all of the update

display(
  study.scalingPicture(
    changed,
    far.newLoss,
    "Left: what is still learned, right: what is still forgotten, when a part is scaled by λ. The whole update follows the bowls: at λ = ½ little of what was learned is lost, and much of what was forgotten is back.",
  ),
);
const cause = show.above(study.netShare(changed, study.PARTS[1], 0.5, far.newLoss), 0, { par: 0.02 });
const neighbours = changed.filter((row) => row.what === study.PARTS[2]);
const at = (factor: number): number[] =>
  neighbours.filter((row) => row.factor === factor).map((row) => row.forgotten);
const unique = show.higher(at(0.5), at(1), { par: 0 });
const [byKnob, byIntruders] = [study.PARTS[0], study.PARTS[1]].map((what) =>
  study.netShare(changed, what, 0.5, far.newLoss),
);
const causeNote = `Share of the forgetting removed less share of the learning lost, at λ = ½. Scaling the whole update has ${meanStd(byKnob)}.`;
display(
  replication([
    judged(CLAIMS.cause, cause, seeds, { measured: String(meanStd(byIntruders)), note: causeNote }),
    judged(CLAIMS.unique, unique, seeds),
  ]),
);

// %% [markdown]
// ## α as a knob
//
// The library's `compose` makes an adapter of any multiple of another. So the strength of an adaptation can be set when
// the model is used, and taken back.

// %% The adapter from above, at several strengths

const turned = (λ: number, { own, fresh } = both(), writes = write(prompts["the new text"])) => ({
  λ,
  "loss on its own text": own,
  "loss on the new text": fresh,
  writes,
});
const none = turned(0, off, texts[1].before);
const strength = [0.5, 1, 1.5].map((λ) => {
  const name = `times-${100 * λ}-percent`;
  compose(adapted, name, { default: λ }); // an adapter whose ΔW is λ times that of "default"
  return adapted.withAdapters(name, () => turned(λ));
});
display(
  table([none, ...strength], {
    title: "λ (α / r) B A: the knob, and what the model then writes",
    volatile: ["writes"],
    tolerance: 0.05,
  }),
);

// %% [markdown]
// ## Change this and run again
//
// - `npm start -- forgetting --set threshold=0.3`: below chance, hardly anything counts as an intruder any more.
// - `npm start -- forgetting --set ranks=2,32`: look at both tables: who learns less, who forgets less?
// - `npm start -- forgetting --set durations=24,96,384`: the lines go on; does full fine-tuning stay below LoRA?

// %% The findings and the settings

const forgotten = (i: number, names: readonly string[]): number[][] => names.map((name) => equal(i, name));
const told = {
  ...{ steps: longest, low, high, more, ρ, byKnob, byIntruders, restored },
  equally: forgotten(0, [FULL, low, high]),
  gently: forgotten(1, [FULL, high]),
  atEqual: show.every([atLow, atHigh]),
  atQuarter: gently,
  intruders: { full: mean(last(far, FULL, "intruders")), lora: mean(last(far, high, "intruders")) },
};
found.show(study.opening(told), trade);
display(fold("The settings of this run.", show.settingsTable(settings)));
