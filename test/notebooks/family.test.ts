/** @file The pages `compare` and `lora-family`: their recipes, what they read out of trained models, how they compare. */
import { random } from "lowrank/core";
import { GPT2, type LanguageModel } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asClaims } from "../../notebooks/papers/compare/claims.ts";
import { Comparison } from "../../notebooks/papers/compare/comparison.ts";
import { places, words } from "../../notebooks/papers/lora-family/half-houses.ts";
import { truncatedModels } from "../../notebooks/papers/lora-family/truncate.ts";
import { updatesOf } from "../../notebooks/papers/lora-family/updates.ts";
import { houseStyle } from "../../notebooks/support/data/house-style.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";
import type { ArmResult } from "../../notebooks/support/experiments/study.ts";
import {
  adaLora,
  adapter,
  biases,
  everything,
  mergeError,
  plus,
  type Trained,
} from "../../notebooks/support/methods/recipes.ts";

const family = suite("the family's pages");

const time = 4;
const base = (): LanguageModel => {
  const model = new GPT2(gpt2Fields({ d: 8, layers: 1, heads: 2, time }), { rng: random(2) });
  model.requiresGrad_(false);
  return model;
};
const ids = {
  data: Int32Array.from({ length: 2 * (time + 1) }, (_, i) => (7 * i) % 96),
  shape: [2, time + 1],
};
const batch = { ids, labels: ids };
const how = { rate: 0.1, seed: 1, steps: 20 };
const on = { rank: 2, alpha: 4, target: "all-linear" } as const;
/** Gives the adapters random numbers, as training would. */
function moved(trained: Trained): Trained {
  for (const [name, parameter] of trained.adapters?.namedParameters() ?? [])
    if (parameter.requiresGrad && !name.endsWith(".m"))
      parameter.assign(random(3).split(name).normal(parameter.size, 0, 0.1));
  return trained;
}

family("recipes train what they say: everything, the biases, the adapters", () => {
  const counts = [everything(), biases(), adapter(on)].map((recipe) => {
    const { optimizer } = recipe(base(), how);
    return optimizer.parameters().reduce((sum, { size }) => sum + size, 0);
  });
  const all = base().parameters();
  assert.is(
    counts[0],
    all.reduce((sum, { size }) => sum + size, 0),
  );
  assert.is(counts[1], 24 + 8 + 32 + 8 + 3 * 8);
  assert.is(counts[2], 2 * (8 + 24 + 16 + 40 + 40));
});

family("LoRA+ has two rates, the ratio apart, with the given rate as their geometric mean", () => {
  const { optimizer } = adapter(on, plus(4))(base(), how);
  const [slow, fast] = optimizer.groups.map(({ lr }) => lr);
  assert.ok(Math.abs(fast / slow - 4) < 1e-9);
  assert.ok(Math.abs(Math.sqrt(slow * fast) - how.rate) < 1e-9);
});

family("AdaLoRA's allocation ends at the budget in the run's own number of steps", () => {
  for (const steps of [10, 20]) {
    const { adapted, afterStep, kept } = adaLora({ rank: 2 })(base(), { ...how, steps });
    assert.ok((kept?.length ?? 0) > 0);
    for (const part of adapted.adapters?.adapter("default").values() ?? [])
      for (const [name, parameter] of part.namedParameters())
        if (name === "lambda") parameter.assign(new Float32Array(parameter.size).fill(1));
    for (let step = 0; step < steps; step++) afterStep?.(step);
    assert.ok((adapted.inUse.at(-1) ?? Infinity) <= 2 * 4, `${steps}: ${adapted.inUse}`);
    assert.ok(adapted.inUse[0] > 2 * 4);
  }
});

family("a merged model computes what the adapted one does; a fault in the weights is seen", () => {
  const trained = moved(adapter(on)(base(), how).adapted);
  const error = mergeError(trained, batch);
  assert.ok(error && error.difference < 1e-5 * error.largest);
  assert.is(mergeError(everything()(base(), how).adapted, batch), null);
  trained.adapters?.merge();
  const [layer] = trained.adapters?.layers.values() ?? [];
  const [weight] = layer?.parameters() ?? [];
  weight.assign(new Float32Array(weight.size)); // the merged model now lacks a weight that toPlain has
  const fault = mergeError(trained, batch);
  assert.ok(fault && fault.difference > 1e-3 * fault.largest);
});

family("ΔW has the rank of its form, and its best approximation of full rank is the adapted model", () => {
  const rankOf = (trained: Trained) => updatesOf(trained, base()).map(({ rank }) => rank);
  assert.equal(rankOf(moved(adapter(on)(base(), how).adapted)), [2, 2, 2, 2]);
  const dora = moved(adapter({ ...on, method: "dora" })(base(), how).adapted);
  assert.ok(rankOf(dora).every((rank) => rank > 2));
  const [whole, cut] = truncatedModels(base, updatesOf(dora, base()), [8, 1]);
  const input = { data: ids.data.slice(0, time), shape: [1, time] };
  const logits = (model: LanguageModel) => Array.from(model.eval().forward(input).value.data);
  const distance = (one: LanguageModel) => {
    const other = logits(dora.model);
    return Math.max(...logits(one).map((value, i) => Math.abs(value - other[i])));
  };
  assert.ok(distance(whole) < 1e-5, String(distance(whole)));
  assert.ok(distance(cut) > 1e-3);
  const full = everything()(base(), how).adapted;
  assert.equal(rankOf(full), [0, 0, 0, 0]);
});

family("each half of the house fixes its own two choices, and both together are the house", () => {
  for (let seed = 0; seed < 40; seed++) {
    const [house, said, placed] = [houseStyle, words, places].map((task) => task.sample(random(seed)));
    assert.is(said.prompt, house.prompt);
    const verb = /offers|serves|cooks/;
    const price = /cheap|budget|low-cost|modest|fair|mid-price|pricey|upmarket|high-end/;
    for (const choice of [verb, price])
      assert.is(choice.exec(said.completion)?.[0], choice.exec(house.completion)?.[0]);
    const area =
      /in the centre|downtown|in town|by the river|riverside|near the water|at the docks|dockside|near the port/;
    assert.is(area.exec(placed.completion)?.[0], area.exec(house.completion)?.[0]);
    assert.is(placed.completion.includes(":"), house.completion.includes(":"));
  }
});

/** A result with these losses. */
const result = (arm: string, losses: readonly number[], trainable = 100): ArmResult<null> => ({
  arm,
  base: "tiny",
  domain: "text",
  rate: 1,
  tried: [],
  atEdge: false,
  losses,
  runs: losses.map((loss) => ({ trainable, loss }) as ArmResult<null>["runs"][number]),
});

family("methods are ahead, behind or level by paired intervals and δ", () => {
  const comparison = new Comparison(
    [
      result("LoRA", [1, 2, 3]),
      result("full fine-tuning", [0.5, 1.5, 2.5], 1000),
      result("DoRA", [1.2, 2.2, 3.21], 120),
      result("LoRA+", [1.004, 2.005, 3.004]),
      result("PiSSA", [0.5, 2.6, 3]),
      result("LoRA-FA", [1.5, 2.5, 3.5], 60),
    ],
    { before: 4, par: 0.01 },
  );
  const sides = Object.fromEntries(comparison.besideLora().map(({ arm, side }) => [arm, side]));
  assert.equal(sides, {
    "full fine-tuning": "ahead",
    DoRA: "behind",
    "LoRA+": "level",
    PiSSA: "unsure",
    "LoRA-FA": "behind",
  });
  assert.equal(comparison.closed("LoRA"), [120, 80, 40]);
  assert.is(comparison.rankForLorasNumbers("LoRA-FA", 4), 6);
  assert.is(comparison.rankForLorasNumbers("DoRA", 4), 3);
  assert.throws(() => comparison.of("VeRA"), /VeRA/);
});

family("claims of arms that did not run are left out; a contradicted one says why", () => {
  const claims = asClaims([result("LoRA", [1, 1, 1.01]), result("full fine-tuning", [0.5, 0.5, 0.5])], 0.01);
  assert.is(claims.length, 1);
  assert.is((claims[0].verdict as { verdict: string }).verdict, "contradicted");
  assert.ok(claims[0].note);
  const [turned] = asClaims([result("LoRA", [0.5, 0.5, 0.5]), result("full fine-tuning", [1, 1, 1])], 0.01);
  assert.is((turned.verdict as { verdict: string }).verdict, "supported");
  assert.is(turned.note, undefined);
});

family.run();
