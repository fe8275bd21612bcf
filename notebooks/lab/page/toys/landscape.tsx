/** @file The landscape of two rates: why B should learn faster than A, and by how much, in LoRA+'s toy. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useSeen, useTraining } from "./frames.ts";
import { digits, Frame, Slider, type ToyProps } from "./parts.tsx";
import { type Place, RateMap } from "./rate-map.tsx";
import { AXIS, drawsOf, landscape, medianLoss, rateAt, train } from "./two-rates.ts";

const WIDTHS = [25, 50, 100, 200, 400, 800];
const TIMES = [1, 2, 3, 5, 10, 20, 50, 100, 200];

/** The place of a rate on the axis, which may lie between two points. */
const placeOf = (rate: number): number =>
  ((Math.log10(rate) - AXIS.from) / (AXIS.to - AXIS.from)) * (AXIS.count - 1);

export function RateLandscape({ sources }: ToyProps): JSX.Element {
  const width = useSignal(2);
  const time = useSignal(4);
  const chosen = useSignal<Place>({ a: 16, b: 16 });
  const [place, seen] = useSeen<HTMLDivElement>();
  const [n, steps] = [WIDTHS[width.value], TIMES[time.value]];
  const map = useTraining(() => landscape(n, steps), [n, steps], seen);
  const draws = useMemo(() => drawsOf(n), [n]);

  const equal = { a: placeOf(0.5 / Math.sqrt(n)), b: placeOf(0.5 / Math.sqrt(n)) };
  const theory = { a: placeOf(0.5 / n), b: placeOf(0.5) };
  const { a, b } = chosen.value;
  const [rateA, rateB] = [rateAt(a), rateAt(b)];
  const run = useMemo(() => train(draws[0], rateA, rateB, steps), [draws, rateA, rateB, steps]);
  const loss = medianLoss(draws, rateA, rateB, steps);
  const go = (to: Place): void => {
    chosen.value = { a: Math.round(to.a), b: Math.round(to.b) };
  };
  return (
    <Frame
      id="two-rates"
      title="A landscape of two rates"
      sources={sources}
      lines={["plus"]}
      tex={[
        String.raw`f(x) = b\, a^{\mathsf T} x, \qquad \Delta f = \delta_1 + \delta_2 + \delta_3`,
        String.raw`\delta_1 = -\eta_A\, b^2 \lVert x \rVert^2\, U, \qquad \delta_2 = -\eta_B\, (a^{\mathsf T} x)^2\, U`,
      ]}
      lead={
        <p>
          LoRA's simplest model: b aᵀx with a of length n, which is to become 1 from b = 0, U = f − 1. Its
          output moves through a by δ₁, which carries ‖x‖² ≈ n, and through b by δ₂, which does not. So a's
          rate must fall like 1/n, and b's need not: equal rates have to stop at 1/√n, where a is at its limit
          and b has hardly begun. LoRA+ gives B the larger rate. Make the model wider and watch the edge of
          what still converges move to the left, while its upper end stays.
        </p>
      }
    >
      <div ref={place} class="toy-columns">
        <RateMap
          map={map}
          chosen={chosen.value}
          marks={[
            { ...equal, text: "½/√n, ½/√n" },
            { ...theory, text: "½/n, ½" },
          ]}
          onChoose={(next) => {
            chosen.value = next;
          }}
        />
        <div>
          <Slider
            label="width n"
            value={width.value}
            min={0}
            max={WIDTHS.length - 1}
            text={`${n}`}
            onInput={(value) => {
              width.value = value;
            }}
          />
          <Slider
            label="steps t"
            value={time.value}
            min={0}
            max={TIMES.length - 1}
            text={`${steps}`}
            onInput={(value) => {
              time.value = value;
            }}
          />
          <Slider
            label={
              <>
                η<sub>A</sub>
              </>
            }
            value={a}
            min={0}
            max={AXIS.count - 1}
            text={digits(rateA, 2)}
            onInput={(value) => {
              chosen.value = { a: value, b };
            }}
          />
          <Slider
            label={
              <>
                η<sub>B</sub>
              </>
            }
            value={b}
            min={0}
            max={AXIS.count - 1}
            text={digits(rateB, 2)}
            onInput={(value) => {
              chosen.value = { a, b: value };
            }}
          />
          <div class="toy-buttons">
            <button type="button" class="outline" onClick={() => go(equal)}>
              equal rates
            </button>
            <button type="button" class="outline" onClick={() => go(theory)}>
              LoRA+'s rates
            </button>
          </div>
          <p class="toy-result">
            η<sub>B</sub>/η<sub>A</sub> = {digits(rateB / rateA, 2)}. After {steps} step
            {steps === 1 ? "" : "s"} the median loss is{" "}
            <strong>{Number.isFinite(loss) ? digits(loss, 2) : "∞, it diverges"}</strong>; it starts at 0.5.
          </p>
          <Terms terms={run.terms} f={run.f} />
        </div>
      </div>
      <p class="toy-note">
        Each place of the map is one pair of rates after {steps} step{steps === 1 ? "" : "s"}, the median of
        nine draws. Teal: the loss is smaller than at the start, the stronger the smaller. Orange: larger.
        Grey: it diverges. Dashed: equal rates.
      </p>
    </Frame>
  );
}

/** δ₁, δ₂, δ₃ of the last step of one draw as bars to the left and right of zero. */
function Terms({ terms, f }: { terms: readonly number[]; f: number }): JSX.Element {
  const largest = Math.max(1e-12, ...terms.map((term) => (Number.isFinite(term) ? Math.abs(term) : 0)));
  return (
    <table class="toy-table toy-terms">
      <caption>The last step of the first draw, to f = {digits(f)}</caption>
      <tbody>
        {terms.map((term, k) => {
          const part = Number.isFinite(term) ? (50 * Math.abs(term)) / largest : 50;
          return (
            <tr key={"₁₂₃"[k]}>
              <th scope="row">δ{"₁₂₃"[k]}</th>
              <td>
                <i style={{ width: `${part}%`, left: term < 0 ? `${50 - part}%` : "50%" }} />
              </td>
              <td>{digits(term, 2)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
