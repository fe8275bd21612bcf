import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import { random } from "lowrank/core";
import { countParameters, inject } from "lowrank/lora";
import { type Conv1D, GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  aboutDirections,
  aboutMatrices,
  aboutRanks,
  againstOthers,
  laws,
} from "../../notebooks/papers/lora/claims.ts";
import { glueCounts, gpt2Counts, gpt3Counts, printedAs } from "../../notebooks/papers/lora/counts.ts";
import {
  elbowSentence,
  findings,
  missedByRules,
  onFar,
  onRules,
  rulesSentence,
} from "../../notebooks/papers/lora/findings.ts";
import { everywhere, full, type Kept, lora, run, search } from "../../notebooks/papers/lora/methods.ts";
import { Outcome } from "../../notebooks/papers/lora/outcome.ts";
import { distanceToPlanted } from "../../notebooks/papers/lora/planted-update.ts";
import { byRules, houseWithRules } from "../../notebooks/papers/lora/rules.ts";
import { heldOut } from "../../notebooks/papers/lora/shifts.ts";
import { costOfUse, multiplications } from "../../notebooks/papers/lora/shown.ts";
import {
  amplification,
  captured,
  overlap,
  projectionDistance,
  randomBasis,
  singularVectors,
  updatesOf,
} from "../../notebooks/papers/lora/subspaces.ts";
import { decode, encode, taskDomain } from "../../notebooks/support/data/domain.ts";
import { anyRestaurant, factsOf, houseStyle, sentence } from "../../notebooks/support/data/house-style.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";
import { corner } from "../../notebooks/support/experiments/latency.ts";
import { type ArmResult, apart } from "../../notebooks/support/experiments/study.ts";
import { meanStd } from "../../notebooks/support/index.ts";
import { prefixEmbedding, prefixLayer } from "../../notebooks/support/methods/baselines.ts";

const test = suite("support of the lora notebook");

const seed = fc.nat(10_000);

test("each printed count is the exact one, rounded or cut off, or a reason is given", () => {
  const all = [...gpt3Counts, ...gpt2Counts, ...glueCounts];
  for (const row of all) assert.ok(printedAs(row) !== "no" || row.why, `${row.model}, ${row.method}`);
  assert.is(printedAs({ exact: 18_874_368, paper: "18.8" }), "cut off");
  assert.is(printedAs({ exact: 18_874_368, paper: "18.9" }), "rounded");
  assert.is(printedAs({ exact: 18_874_368, paper: "19.0" }), "no");
});

test("prefixes train as many parameters as their formulae say and keep the number of positions", () => {
  const sizes = fc.record({
    layers: fc.integer({ min: 1, max: 3 }),
    tokens: fc.integer({ min: 1, max: 4 }),
    seed,
  });
  fc.assert(
    fc.property(sizes, ({ layers, tokens, seed }) => {
      const config = gpt2Fields({ d: 4, layers, heads: 2, time: 6 });
      const ids = [[1, 2, 3, 4, 5, 6]];
      for (const [make, method] of [
        [prefixEmbedding, "prefix-embedding"],
        [prefixLayer, "prefix-layer"],
      ] as const) {
        const model = make(new GPT2(config, { rng: random(seed) }), { tokens, rng: random(seed + 1) });
        const trained = model.parameters().filter(({ requiresGrad }) => requiresGrad);
        const { trainable } = countParameters(method, { config, prefix: tokens });
        assert.is(
          trained.reduce((sum, { size }) => sum + size, 0),
          trainable,
        );
        assert.equal(
          noGrad(() => model.forward(ids).shape),
          [1, 6, 96],
        );
        model.loss(ids).backward();
        for (const parameter of trained) assert.ok(parameter.grad?.toArray().some((value) => value !== 0));
      }
    }),
    { numRuns: 15 },
  );
});

test("later tokens do not change the outputs of a prefixed model at earlier positions; the prefix does", () => {
  const config = gpt2Fields({ d: 4, layers: 2, heads: 2, time: 6 });
  const model = prefixLayer(new GPT2(config, { rng: random(1) }), { tokens: 3, rng: random(2) });
  const first = (ids: number[]) => noGrad(() => model.forward([ids]).toArray()).slice(0, 2 * 96);
  assert.equal(first([5, 6, 7]), first([5, 6, 90]));
  const before = first([5, 6, 7]);
  const [prefix] = model.parameters().filter(({ requiresGrad }) => requiresGrad);
  prefix.assign(random(3).normal(prefix.size, 0, 1));
  assert.not.equal(first([5, 6, 7]), before);
});

test("φ is 1 within one span, max(i, j)/n on average by chance, and 1 − d²/p of the distance d", () => {
  fc.assert(
    fc.property(seed, (s) => {
      const [U, V] = ["U", "V"].map((name) => randomBasis(12, 4, random(s).split(name)));
      for (const { i, j, phi } of overlap(U, U, [4, 4])) assert.ok(Math.abs(phi - 1) < 1e-12, `${i}, ${j}`);
      const phi = overlap(U, V, [4, 4])[15].phi;
      assert.ok(Math.abs(phi - (1 - projectionDistance(U, V) ** 2 / 4)) < 1e-12);
    }),
    { numRuns: 20 },
  );
  const many = Array.from({ length: 2000 }, (_, s) => {
    const [U, V] = ["U", "V"].map((name) => randomBasis(12, 4, random(s).split(name)));
    return overlap(U, V, [2, 4])[7].phi;
  });
  const mean = many.reduce((sum, phi) => sum + phi, 0) / many.length;
  assert.ok(Math.abs(mean - 4 / 12) < 0.02); // its standard error is about 0.003
});

test("updates are read from a model as ΔW = (α/r) B A; the directions of a matrix capture all of it", () => {
  const model = new GPT2(gpt2Fields({ d: 8, layers: 1, heads: 2, time: 4 }), { rng: random(4) });
  const adapted = inject(model, { method: "lora", rank: 2, alpha: 6, target: "attn.c_proj", seed: 5 });
  for (const parameter of adapted.parameters())
    if (parameter.requiresGrad) parameter.assign(random(6).normal(parameter.size, 0, 1));
  const [[path, update]] = updatesOf(model);
  assert.is(path, "transformer.h.0.attn.c_proj");
  const merged = (adapted.toPlain().transformer.h[0].attn.c_proj as Conv1D).weight.transpose(0, 1).toArray();
  for (const [i, value] of merged.entries())
    assert.ok(Math.abs(value - update.W.values[i] - update.delta.values[i]) < 1e-5);
  const { left, right } = singularVectors(update.W);
  const all = captured(update.W, left, right);
  const { normW, byW, byDelta, factor, normDelta } = amplification(update, 2, random(7));
  assert.ok(Math.abs(all - normW) < 1e-10 && byW <= normW && byDelta <= byW + 1e-10);
  assert.is(factor, normDelta / byDelta);
});

test("a planted update of rank 2 is learned at rank 2 and not below", () => {
  const distance = (r: number) => distanceToPlanted(r, { width: 8, planted: 2, steps: 200 });
  assert.ok(distance(1) >= 0.5 - 1e-6);
  assert.ok(distance(2) < 1e-3);
});

test("corner takes the first rows and columns of a batch", () => {
  const ids = { data: Int32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] };
  assert.equal(corner(ids, 2, 2), { data: Int32Array.of(1, 2, 4, 5), shape: [2, 2] });
});

// ---------------------------------------------------------------------------------------------------------------
// Houses with fewer rules

test("the house of houseStyle is the one with all four rules; without a rule a choice is always the same", () => {
  assert.is(houseWithRules(4), houseStyle);
  for (let i = 0; i < 50; i++) {
    const restaurant = anyRestaurant(random(i));
    const completion = `${sentence(restaurant, byRules(restaurant))}\n`;
    assert.equal(houseStyle.sample(random(i)), { prompt: factsOf(restaurant), completion });
    assert.match(
      houseWithRules(0).sample(random(i)).completion,
      /^\w+ serves (budget|fair|upmarket) \w+ \w+\.\n$/,
    );
    const [one, four] = [1, 4].map((rules) => houseWithRules(rules).sample(random(i)).completion);
    assert.is(/offers|serves|cooks/.exec(one)?.[0], /offers|serves|cooks/.exec(four)?.[0]);
  }
  for (const wrong of [-1, 5, 1.5]) assert.throws(() => houseWithRules(wrong), /expected 0 … 4 rules/);
});

// ---------------------------------------------------------------------------------------------------------------
// Methods and their runs, on a tiny model

const tiny = new GPT2(gpt2Fields({ d: 8, layers: 2, heads: 2, time: 79 }), { rng: random(1) });
const copy = (): GPT2 => {
  const model = new GPT2(gpt2Fields({ d: 8, layers: 2, heads: 2, time: 79 }), { rng: random(1) });
  model.loadStateDict(tiny.stateDict());
  return model;
};
const task = taskDomain(houseStyle, { time: 79, test: 40, random: random(2) });
const characters = { vocabSize: 96, encode, decode };
const shift = { base: "tiny", name: "house", copy, ...apart(task, 1), before: 2, tokenizer: characters };

test("one budget: r = 8 on one matrix, 4 on two, 2 on four, and 1 on all layers train equally many numbers", () => {
  const budget = { steps: 2, rows: 1, seeds: 1, searched: [] };
  const methods = [lora("o", 8), lora("q", 8), lora("qv", 4), lora("qkvo", 2), everywhere(1)];
  const sizes = run(methods, [shift], budget).map(({ runs }) => runs[0].trainable);
  assert.equal(sizes, [256, 256, 256, 256, 256]); // 8 · (8 + 8) in each of two blocks
});

test("a method runs at the rate that was chosen for its family, and at the middle one without a search", () => {
  const setting = { steps: 2, rows: 1, seeds: 1 };
  assert.equal(search([full], shift, { ...setting, seeds: 0 }), []);
  const [chosen] = search([lora("qv", 8)], shift, { ...setting, seeds: 1 });
  assert.ok([3, 4].includes(chosen.tried.length)); // a fourth rate if the best is at the edge
  const searched = [{ ...chosen, rate: 2e-2 }];
  const rates = (methods: readonly ReturnType<typeof lora>[]): number[] =>
    run(methods, [shift], { ...setting, searched }).map(({ rate }) => rate);
  assert.equal(
    rates([lora("qv", 8), lora("qkvo", 2), lora("qv", 1), lora("q", 8)]),
    [2e-2, 1e-2, 1e-2, 1e-2],
  );
});

test("updates are kept where they are asked for", () => {
  const setting = { steps: 2, rows: 1, seeds: 1, searched: [] };
  for (const keep of ["updates", "nothing"] as const) {
    const [{ runs }] = run([lora("qv", 2)], [shift], { ...setting, keep });
    assert.equal(
      [...runs[0].read.updates.keys()].map((path) => path.replace("transformer.h.", "")),
      keep === "updates" ? ["0.attn.c_attn.q", "0.attn.c_attn.v", "1.attn.c_attn.q", "1.attn.c_attn.v"] : [],
    );
  }
});

test("accuracy is measured on the held-out rows where it is asked for", () => {
  const setting = { steps: 2, rows: 1, seeds: 1, searched: [] };
  const [{ runs }] = run([lora("v", 1)], [shift], { ...setting, keep: "accuracy" });
  assert.is(runs[0].read.right, 0); // a model that was never trained
  assert.ok(Number.isNaN(run([lora("v", 1)], [shift], setting)[0].runs[0].read.right));
});

test("held-out rows are divided where the completion begins", () => {
  for (const { prompt, wanted } of heldOut(shift, 8)) {
    assert.match(prompt, /^[A-Z]\w+ [A-Z]\w+ \w+ \w+>$/);
    assert.match(wanted, /\.$/);
  }
});

test("gains are taken run by run against full fine-tuning of the same base", () => {
  const result = (arm: string, base: string, losses: number[]) =>
    ({
      arm,
      base,
      losses,
      runs: losses.map((right) => ({ trainable: 3, read: { updates: new Map(), right } })),
    }) as unknown as ArmResult<Kept>;
  const shifts = [
    { base: "a", before: 1 },
    { base: "b", before: 2 },
  ];
  const outcome = new Outcome(shifts, [
    result(full.name, "a", [0, 0.5]),
    result(full.name, "b", [1]),
    result("LoRA", "a", [0.5, 0.5]),
    result("LoRA", "b", [1.25]),
  ]);
  assert.equal(outcome.gains({ name: "LoRA" }), [[0.5, 1], [0.75]]);
  assert.equal(outcome.gains(full), [[1, 1], [1]]);
  assert.is(outcome.trained(full), 3);
  assert.equal(outcome.accuracies({ name: "LoRA" }).flat(), [50, 50, 125]);
  assert.not(outcome.has({ name: "DoRA" }));
  assert.throws(() => outcome.gains({ name: "DoRA" }), /expected a method that ran; got DoRA/);
  assert.ok(outcome.with([result("DoRA", "a", [1])]).has({ name: "DoRA" }));
  assert.equal(outcome.on({ base: "a" }).gains({ name: "LoRA" }), [[0.5, 1]]);
});

test("LoRA beside the weights costs 2 d r for each matrix, merged nothing; the claims follow the counts", () => {
  const base = multiplications(copy());
  assert.is(base, 2 * 12 * 8 * 8);
  const { table, claims } = costOfUse(shift, { rank: 3, width: 2, turns: 1 });
  const counted = table.grid.rows.map(([, count]) => Number(count.replaceAll(",", "")) - base);
  assert.equal(counted, [0, 2 * 2 * 2 * 8 * 3, 0, 2 * 2 * 2 * 8 * 2]);
  assert.equal(
    claims.map(({ verdict }) => verdict),
    [true, true],
  );
});

// ---------------------------------------------------------------------------------------------------------------
// Verdicts and sentences come out either way

/** Three runs on each of two bases, around a mean. */
const six = (mean: number): number[][] =>
  [0, 1].map((base) => [0, 1, 2].map((i) => mean + 1e-3 * Math.sin(7 * i + 10 * mean + base)));
const verdictOf = ({ verdict }: { verdict: boolean | { verdict: string } }): string =>
  typeof verdict === "boolean" ? String(verdict) : verdict.verdict;

test("every claim can be supported, or on a par, and contradicted", () => {
  const ranks = (few: number, some: number, many: number, wide: number) =>
    aboutRanks({
      ranks: [1, 4, 32],
      gains: [six(few), six(some), six(many)],
      parity: { rank: 4, gains: six(some) },
      wideRanks: [1, 32],
      wide: [six(wide), six(1)],
    }).map(verdictOf);
  assert.equal(ranks(0.8, 0.98, 0.98, 0.99), [
    "on a par",
    "supported",
    "on a par",
    "contradicted",
    "on a par",
  ]);
  assert.equal(ranks(0.98, 0.8, 0.98, 0.8), [
    "contradicted",
    "contradicted",
    "contradicted",
    "on a par",
    "contradicted",
  ]);
  const matrices = (of: Record<string, number>) => aboutMatrices((where) => six(of[where])).map(verdictOf);
  assert.equal(
    matrices({ q: 0.5, k: 0.4, v: 0.8, o: 0.9, qv: 0.95, qkvo: 0.98 }),
    Array(3).fill("supported"),
  );
  assert.equal(
    matrices({ q: 0.9, k: 0.9, v: 0.8, o: 0.7, qv: 0.6, qkvo: 0.5 }),
    Array(3).fill("contradicted"),
  );
  assert.equal(againstOthers(six(97), six(90), six(98), [six(80), six(90), six(97)]).map(verdictOf), [
    "contradicted",
    "on a par",
    "supported",
    "on a par",
    "contradicted",
  ]);
  const directions = (top: number, byDelta: number) =>
    aboutDirections({ top: six(top), chance: 0.1, byDelta: six(byDelta), byRandom: six(0.2), byW: six(2) });
  assert.equal(directions(0.5, 0.5).map(verdictOf), Array(3).fill("supported"));
  assert.equal(directions(0.05, 0.1).map(verdictOf), ["contradicted", "contradicted", "supported"]);
  assert.equal(directions(0.5, 1.5).map(verdictOf), ["supported", "supported", "contradicted"]);
  assert.equal(laws({ start: 0, steps: 0, merged: 1e-7, unmerged: 0 }).map(verdictOf), Array(4).fill("true"));
  assert.equal(
    laws({ start: 1e-9, steps: 1, merged: 1, unmerged: 1e-9 }).map(verdictOf),
    Array(4).fill("false"),
  );
});

test("sentences say what the numbers say", () => {
  const byRank = (...losses: number[]) => losses.map((loss, i) => ({ rank: 4 ** i, loss: meanStd([loss]) })); // ranks 1, 4, 16
  assert.match(elbowSentence(byRank(0.03, 0.003, 0.003), 4), /falls 10 times, .* only 1\.0 times: the elbow/);
  assert.match(elbowSentence(byRank(0.03, 0.02, 0.01), 4), /no elbow/);
  const house = (rules: number, ...losses: number[]) => byRank(...losses).map((one) => ({ ...one, rules }));
  const missed = missedByRules([...house(0, 0.001, 0.001), ...house(1, 0.022, 0.002)], 0.1);
  assert.equal(
    missed.map(({ rules, least, most, percent }) => [rules, least, most, Math.round(percent)]),
    [
      [0, 1, 4, 0],
      [1, 1, 4, 20],
    ],
  );
  assert.match(rulesSentence(missed), /r = 1 .* r = 4 takes away: 0 rules 0 %, 1 rule 20 %/);
  assert.match(onRules(missed), /explanation is wrong/);
  const simple = missedByRules(house(1, 0.002, 0.001), 0.1);
  assert.match(onRules(simple), /can do with rank 1/);
  const curve = (name: string, ...gains: number[]) =>
    gains.map((gain, i) => ({ curve: name, rank: 4 ** i, gain: meanStd([100 * gain]) }));
  const far = curve("far", 0.7, 0.9);
  assert.match(onFar([...curve("near", 0.98, 1), ...far]), /at r = 1 30 % of what full fine-tuning gains/);
  assert.match(onFar([...curve("near", 0.7, 1), ...far]), /more on both shifts: far, 30 % is missing/);
  assert.match(onFar([...curve("near", 0.7, 1), ...curve("far", 0.7, 0.71)]), /hardly matters/);
  const text = (of: typeof missed): string =>
    String(
      findings({
        elbow: 4,
        least: 1,
        most: 16,
        gains: (r) => [[0.9 + r / 1000]],
        missed: of,
        curves: far,
      }).toMime()["text/plain"],
    );
  assert.match(
    text(missed),
    /one rule gains from a higher rank.*rank 1 on all layers reaches 70 %, and rank 4 90 %/s,
  );
  assert.not.match(text(simple), /one rule/);
});

test.run();
