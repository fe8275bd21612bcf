/** @file The lives of triplets: AdaLoRA on six layers, step by step, with the budget falling like a tide. */
import * as Plot from "@observablehq/plot";
import { useSignal } from "@preact/signals";
import type { Measure } from "lowrank/lora";
import type { JSX } from "preact";
import { colorsOf } from "../../../support/show/colors.ts";
import { Chart } from "./chart.tsx";
import { useSeen, useTraining } from "./frames.ts";
import { Choice, Frame, percent, Slider, type ToyProps } from "./parts.tsx";
import {
  INITIAL,
  type Lives,
  type LivesSettings,
  leastError,
  type Moment,
  PLANTED,
  phaseOf,
  RANK,
  STEPS,
  trainTriplets,
} from "./triplets.ts";

const NAMES = ["queries", "keys", "values", "output", "MLP, first", "MLP, second"];
const NEEDED = PLANTED.flat().length;
const START: LivesSettings = { budget: NEEDED, warmup: 25, final: 60, gamma: 0.02, measure: "smoothed" };

export function TripletLives({ sources }: ToyProps): JSX.Element {
  const settings = useSignal(START);
  /** The step to look at; null follows the training. */
  const scrubbed = useSignal<number | null>(null);
  const [place, seen] = useSeen<HTMLDivElement>();
  const { moments } = useTraining<Lives>(() => trainTriplets(settings.value), [settings.value], seen, 1);
  const set = (change: Partial<LivesSettings>): void => {
    settings.value = { ...settings.value, ...change };
    scrubbed.value = null;
  };
  const t = Math.min(scrubbed.value ?? moments.length - 1, moments.length - 1);
  const moment = moments[t];
  const { budget, warmup, final, gamma, measure } = settings.value;
  const ranks = moment.lambda.map((values) => values.filter((λ) => λ !== 0).length);
  return (
    <Frame
      id="triplet-lives"
      title="The lives of triplets"
      sources={sources}
      lines={["adalora", "score", "allocate", "budget"]}
      tex={[
        String.raw`\Delta W = \tfrac{\alpha}{r} P \Lambda Q`,
        String.raw`b(t) = b(T) + (b(0) - b(T)) \left(1 - \frac{t - t_i}{T - t_i - t_f}\right)^3`,
      ]}
      lead={
        <p>
          LoRA gives every matrix the same rank. AdaLoRA starts with too many triplets, one column of P, one
          λ, one row of Q each, scores them by what the loss would lose without them, and keeps the best b(t)
          of the whole model. Here six matrices need the ranks 0 to 5, {NEEDED} triplets in all. With this
          budget and the paper's score it finds exactly these; with the sensitivity alone it does not.
        </p>
      }
    >
      <div class="toy-controls">
        <Slider
          label="final budget b(T)"
          value={budget}
          min={3}
          max={INITIAL}
          onInput={(budget) => set({ budget })}
        />
        <Slider
          label={
            <>
              warm-up t<sub>i</sub>
            </>
          }
          value={warmup}
          min={0}
          max={80}
          step={5}
          onInput={(warmup) => set({ warmup })}
        />
        <Slider
          label={
            <>
              final steps t<sub>f</sub>
            </>
          }
          value={final}
          min={0}
          max={75}
          step={5}
          onInput={(final) => set({ final })}
        />
        <Slider
          label="regulariser γ"
          value={gamma}
          min={0}
          max={0.1}
          step={0.01}
          onInput={(gamma) => set({ gamma })}
        />
        <Choice<Measure>
          label="score of a triplet"
          options={[
            ["smoothed", "the paper's"],
            ["sensitivity", "sensitivity"],
            ["magnitude", "|λ|"],
          ]}
          value={measure}
          onInput={(measure) => set({ measure })}
        />
      </div>
      <div ref={place}>
        <Cells moments={moments} t={t} />
        <p class="toy-note">
          A cell is a triplet: the brighter, the higher its score. Struck through: masked, λ = 0. Framed: it
          came back in this step. Dots: the ranks that are needed. Up to step {warmup} all may stay.
        </p>
        <Slider
          label="step t"
          value={t}
          min={0}
          max={STEPS}
          text={`${t}`}
          onInput={(value) => {
            scrubbed.value = value === STEPS ? null : value;
          }}
        />
        <Tide moments={moments} t={t} />
      </div>
      <p class="toy-result">
        Step {t}: budget {moment.budget}, ranks {ranks.join(", ")}. <strong>{percent(moment.error)}</strong>{" "}
        of the needed change is left; {budget} triplets can leave {percent(leastError(budget))}.
      </p>
    </Frame>
  );
}

function Cells({ moments, t }: { moments: readonly Moment[]; t: number }): JSX.Element {
  const { scores } = moments[t];
  const largest = Math.max(1e-30, ...scores.flat());
  return (
    <div class="scroll">
      <table class="toy-lives">
        <thead>
          <tr>
            <th scope="col">matrix</th>
            <th scope="col" colspan={RANK}>
              triplets
            </th>
            <th scope="col">in use</th>
            <th scope="col">needed</th>
          </tr>
        </thead>
        <tbody>
          {NAMES.map((name, layer) => {
            const phases = scores[layer].map((_, i) => phaseOf(moments, t, layer, i));
            const used = phases.filter((phase) => phase === "alive" || phase === "back").length;
            return (
              <tr key={name}>
                <th scope="row">{name}</th>
                {phases.map((phase, i) => (
                  <td key={`${layer}, ${i}`}>
                    <i
                      data-phase={phase}
                      style={{ "--score": phase === "waiting" ? 0 : (scores[layer][i] / largest) ** 0.25 }}
                    />
                  </td>
                ))}
                <td>{used}</td>
                <td class="toy-dots">
                  {PLANTED[layer].length === 0 ? "none" : "•".repeat(PLANTED[layer].length)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Tide({ moments, t }: { moments: readonly Moment[]; t: number }): JSX.Element {
  const color = colorsOf(["AdaLoRA"])[0];
  const used = moments.map(({ lambda }) => lambda.flat().filter((λ) => λ !== 0).length);
  return (
    <Chart
      text={`The budget by step: ${moments[0].budget} at the start, ${moments.at(-1)?.budget} now`}
      // A picture of every fourth step is enough while it trains.
      keys={[t, moments.length === STEPS + 1 ? moments : Math.floor(moments.length / 4)]}
      options={() => ({
        height: 130,
        x: { domain: [0, STEPS], label: "step t" },
        y: { domain: [0, INITIAL], label: "triplets", grid: true, ticks: 4 },
        marks: [
          Plot.areaY(moments, { x: (_, i) => i, y: "budget", fill: color, fillOpacity: 0.3 }),
          Plot.line(used, { x: (_, i) => i, y: (count: number) => count, stroke: color, strokeWidth: 2 }),
          Plot.ruleY([NEEDED], { stroke: "currentColor", strokeDasharray: "5 4" }),
          Plot.text([NEEDED], {
            x: 2,
            y: NEEDED,
            text: () => "needed",
            textAnchor: "start",
            dy: -8,
            fill: "currentColor",
          }),
          Plot.ruleX([t], { stroke: "currentColor" }),
        ],
      })}
    />
  );
}
