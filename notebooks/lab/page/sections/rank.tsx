/** @file "What r limits": the singular values of ΔW. */

import { rankOfUpdate, trainedRank } from "../../engine/counts.ts";
import type { Controls, MethodName } from "../../engine/types.ts";
import { budgetChart, ranksChart } from "../charts/budget.ts";
import { spectraChart } from "../charts/spectra.ts";
import { number } from "../parts/format.ts";
import { Picture } from "../parts/picture.tsx";
import { Plotted } from "../parts/plotted.tsx";
import { Choose } from "../parts/setting-link.tsx";
import { useLab } from "../state/lab.ts";
import { methodTitles } from "../state/names.ts";
import { lastMeasured } from "../state/run.ts";
import { RankDial } from "../toys/index.ts";

export function Rank() {
  const lab = useLab();
  const run = lab.current.value;
  const now = lastMeasured(run);
  const { matrices } = run.opened;
  const { method } = run.controls;
  const limit = rankOfUpdate(run.controls);
  const above = now.spectra.map(
    (values) => values.filter((value) => value > 1e-6 * Math.max(...values, 1e-12)).length,
  );
  const most = Math.max(0, ...above);
  return (
    <section id="rank">
      <h2>What r limits</h2>
      <p>
        A matrix stretches what it is given along certain directions, along each by a singular value. Of the
        product B A at most r singular values are not zero, since all that comes in passes through r numbers
        on its way out. So r limits in how many directions a layer can change, and says nothing about how far
        it goes in each.
      </p>
      <p>
        Try <Choose to={{ method: "lora", rank: 1 }}>r = 1</Choose>,{" "}
        <Choose to={{ method: "lora", rank: 8 }}>r = 8</Choose>,{" "}
        <Choose to={{ method: "lora", rank: 64 }}>r = 64</Choose>, or{" "}
        <Choose to={{ method: "full", format: "float32" }}>every weight</Choose>, which has no limit, and
        compare the curves of the loss above. How much rank is needed depends on the text: try{" "}
        <Choose to={{ target: "speeches" }}>one that is near</Choose> and{" "}
        <Choose to={{ target: "code" }}>one that is far</Choose>.
      </p>
      <Picture
        name="spectra"
        title="Singular values of ΔW, matrix by matrix"
        equation={String.raw`\Delta W = U\, \mathrm{diag}(\sigma_1, \sigma_2, \dots)\, V^\top, \qquad \sigma_i = 0 \;\text{ for } i > r`}
        lines={["spectrum", "update"]}
        caption={
          now.step === 0 && most === 0
            ? "Before the first step ΔW is zero, and so are all its singular values."
            : `${methodTitles[method]} after step ${now.step}: ${
                limit === null || limit === 0
                  ? (unlimited[method] ??
                    "what is left of W₀ was rounded to codes, and the rounding is part of ΔW")
                  : `in no matrix are more than ${most} singular values above zero, and ${limited(run.controls, limit)}`
              }. The largest is ${number(Math.max(...now.spectra.flat()))}.${limit !== null && limit > 0 && limit < 32 ? " Grey: the places that the rank keeps empty." : ""}`
        }
      >
        <Plotted
          label={`Singular values of ΔW of ${matrices.length} matrices after step ${now.step}; at most ${most} of each are above zero.`}
          draw={(width) => spectraChart(matrices, now, limit || 32, width)}
        />
      </Picture>
      <Budget />
      <RankDial sources={lab.data.sources} />
    </section>
  );
}

/** Why nothing holds the singular values at zero, or why there are none. */
const unlimited: Partial<Record<MethodName, string>> = {
  full: "nothing holds singular values at zero",
  bitfit: "ΔW is zero, since only biases train",
  dora: "the magnitudes scale the rows of W₀ too, so that r does not hold singular values at zero",
};

/** "r = 4", with what makes it more. */
function limited({ method, rank }: Controls, limit: number): string {
  if (method === "adalora") return `r₀ = ${limit}`;
  return limit === rank
    ? `r = ${rank}`
    : `2 r = ${limit}: both factors leave where they started, ΔW = B A − B₀ A₀`;
}

/** AdaLoRA's ranks and budget; nothing for other methods. */
export function Budget() {
  const { current } = useLab();
  const run = current.value;
  const steps = run.steps.value;
  const budget = steps.at(-1)?.budget;
  if (!budget) return null;
  const most = trainedRank(run.controls);
  return (
    <Picture
      name="budget"
      title="AdaLoRA gives ranks away"
      equation={String.raw`b(t) = b(T) + (b(0) - b(T)) \left(1 - \frac{t - t_i}{T - t_i - t_f}\right)^3`}
      lines={["budget", "allocate"]}
      caption={`After step ${steps.length} the model may have ${budget.total} triplets; the numbers are those left in each matrix, of ${most} at the start.`}
    >
      <Plotted
        label={`The budget falls to ${budget.total} triplets`}
        draw={(width) => budgetChart(steps, width)}
      />
      <Plotted
        label={`Ranks of the matrices: ${budget.ranks.join(", ")}`}
        draw={(width) => ranksChart(run.opened.matrices, budget.ranks, most, width)}
      />
    </Picture>
  );
}
