/** @file Statements about the method itself, decided by laws on random layers and by the library's own tensors. */
import { random } from "lowrank/core";
import { LoRA, laws, siteOf, trial } from "lowrank/lora";
import { Linear } from "lowrank/nn";
import { near, type Statement } from "./statement.ts";

const TRIALS = 20;
const holding = (key: keyof typeof laws): number =>
  Array.from({ length: TRIALS }, (_, seed) =>
    laws[key].check({ ...trial, values: laws[key].values ?? "real", seed }),
  ).filter(({ holds }) => holds).length;
const lawful = (...keys: (keyof typeof laws)[]): Pick<Statement, "number" | "of" | "verdict"> => {
  const held = Math.min(...keys.map(holding));
  return {
    number: `${held} of ${TRIALS}`,
    of: "random layers and adapters on which it holds",
    verdict: held === TRIALS,
  };
};

/** Root mean square of the first A on a layer of k inputs. */
const deviation = (k: number): number => {
  const { A } = new LoRA(siteOf(new Linear(k, 8, { rng: random(1) })), { rank: 8, rng: random(2) });
  return Math.sqrt(A.square().mean().item());
};
const widths = [768, 4096, 12_288].map((k) => ({ k, std: deviation(k) }));

const d = 4096;
const layer = new LoRA(siteOf(new Linear(48, 32, { rng: random(1) })), { rank: 4, rng: random(2) });

export const method: readonly Statement[] = [
  {
    said: "B starts at zero, so that training starts from the pretrained model.",
    ...lawful("identityAtStart"),
    depends:
      "With B = 0 the product B A is zero whatever A is. One factor must be random, or neither would get a gradient.",
    more: "lora",
  },
  {
    said: "B is the down-projection and A the up-projection.",
    number: `A: ${layer.A.shape[1]} → ${layer.A.shape[0]}, B: ${layer.B.shape[1]} → ${layer.B.shape[0]}`,
    of: "a layer of 48 inputs and 32 outputs at r = 4",
    depends:
      "The names are exchanged: x meets A first, which takes it down to r numbers; B takes these up to d.",
    verdict: layer.A.shape[0] > layer.A.shape[1],
  },
  {
    said: "A starts Gaussian, with a standard deviation of 0.01.",
    number: widths.map(({ std }) => std.toFixed(4)).join(", "),
    of: `deviation of A for ${widths.map(({ k }) => k.toLocaleString("en")).join(", ")} inputs`,
    depends:
      "On the number of inputs k, 1/√(3k): the released code draws uniformly on ±1/√k. 0.01 is right for k = 3,333.",
    verdict: widths.every(({ std }) => near(std, 0.01, 0.15)),
    more: "errata",
  },
  {
    said: "After merging, LoRA costs nothing at inference.",
    ...lawful("mergedIsAdapted", "unmergeRestores"),
    depends: `A merged layer is one matrix again. Beside it, unmerged, it costs r(d + k) more multiplications a token: ${((100 * 8 * 2 * d) / d ** 2).toFixed(2)} % at r = 8 and d = 4,096.`,
    more: "lora",
  },
  {
    said: "Several adapters can be added: W + B₁A₁ + B₂A₂.",
    ...lawful("sumOfActive", "compositionIsLinear"),
    depends: "The weights add up. Whether the skills do is another question, and no paper here claims it.",
    more: "lora-family",
  },
  {
    said: "Adapters can be exchanged on one frozen base.",
    ...lawful("disabledIsBase", "unmergeRestores"),
    depends:
      "The base is kept and restored to the last bit; subtracting B A in float32 would leave rounding errors.",
    more: "lora-family",
  },
];
