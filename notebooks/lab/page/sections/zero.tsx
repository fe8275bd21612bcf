/** @file "B = 0: nothing has changed yet": one matrix as heat maps, the norms of the factors and of their gradients. */
import { useState } from "preact/hooks";
import type { Looked, Stepped } from "../../engine/types.ts";
import { normChart } from "../charts/norms.ts";
import { Equation } from "../parts/equation.tsx";
import { number } from "../parts/format.ts";
import { Heat, largestOf } from "../parts/heat.tsx";
import { MatrixChoice, useWatching } from "../parts/matrix-choice.tsx";
import { Picture } from "../parts/picture.tsx";
import { Plotted } from "../parts/plotted.tsx";
import { Symbols } from "../parts/symbols.tsx";
import { useLab } from "../state/lab.ts";
import { hasRank } from "../state/names.ts";
import type { Run } from "../state/run.ts";
import { type Factors, factorsOf } from "./factors.ts";

export function Zero() {
  return (
    <section id="zero">
      <h2>B = 0: nothing has changed yet</h2>
      <p>
        A layer of the model multiplies by a matrix W₀. LoRA leaves it as it is, and puts two thin matrices
        beside it: <Equation tex="h = W_0 x + \frac{\alpha}{r} B A x" />. A starts with random numbers, and B
        with zeros. So their product is zero, and the adapted model is the base, exactly.
      </p>
      <p>
        Why not start both at random? Then training would begin at a model that is worse than the base. Why
        not both at zero? The gradient of B contains A, and the gradient of A contains B: with both zero,
        neither would ever move. With only B zero, the first step moves B alone, and from the second step on
        both learn.
      </p>
      <Matrices />
      <Norms />
    </section>
  );
}

/** The newest look at the chosen matrix; another, where the run has no such matrix. */
export function lookedOf(run: Run, matrix: string): Looked | undefined {
  const looked = run.looked.value.findLast(({ name }) => name === matrix);
  return run.opened.matrices.some(({ name }) => name === matrix) ? looked : run.looked.value.at(-1);
}

function Matrices() {
  const lab = useLab();
  const run = lab.current.value;
  const [withGradients, setGradients] = useState(false);
  const place = useWatching<HTMLDivElement>();
  const looked = lookedOf(run, lab.matrix.value);
  const first = run.looked.value.find(({ name, step }) => name === looked?.name && step === 0);
  const title = run.opened.matrices.find(({ name }) => name === looked?.name)?.title;
  const names = factorsOf(run.controls.method);
  const B = looked?.B ? largestOf(looked.B.values) : 0;
  const scaleA = first?.A ? largestOf(first.A.values) : undefined;
  return (
    <Picture
      name="matrices"
      title="One matrix: W₀, and what is added to it"
      equation={names.equation}
      lines={names.lines}
      caption={
        looked ? (
          <Symbols>
            {`${capital(title ?? looked.name)}, after step ${looked.step}. ${
              looked.B === null
                ? (names.none ?? "")
                : B === 0
                  ? `${names.B} is zero, and so is ΔW.`
                  : `The largest number in ${names.B} is ${number(B)} now.${moved(first, looked, names)}`
            } Orange is positive, blue is negative; the paler, the nearer to zero.`}
          </Symbols>
        ) : run.number === 0 ? (
          "The recorded run holds another matrix; press Step to look at this one."
        ) : run.ended.value !== null ? (
          "This run did not look at this matrix, and its model is gone; Start trains it again."
        ) : (
          "This matrix has not been looked at yet."
        )
      }
    >
      <div ref={place} class="heats-bar">
        <MatrixChoice />
        <label class="yes-no">
          <input
            type="checkbox"
            name="gradients"
            checked={withGradients}
            onChange={(event) => setGradients(event.currentTarget.checked)}
          />
          Gradients
        </label>
      </div>
      {looked && (
        <div class="heats" style={{ "--r": looked.A?.rows ?? 0 }}>
          <Heat grid={looked.W0} name="W₀" place="left" />
          <Heat grid={looked.B} name={names.B} none="none in this method" place="b" />
          <Heat grid={looked.A} name={names.A} none="none in this method" scale={scaleA} place="a" />
          <Heat grid={looked.delta} name="ΔW" place="right" />
        </div>
      )}
      {looked && withGradients && (
        <div class="heats gradients" style={{ "--r": looked.A?.rows ?? 0 }}>
          <Heat grid={looked.gradB} name={`∂L/∂${names.B}`} none="no gradient yet" place="b" />
          <Heat grid={looked.gradA} name={`∂L/∂${names.A}`} none="no gradient yet" place="a" />
        </div>
      )}
      {looked?.magnitude && <Magnitude {...looked.magnitude} />}
    </Picture>
  );
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** How far A has gone from where it began. */
function moved(from: Looked | undefined, to: Looked, names: Factors): string {
  if (!from?.A || !to.A || from.A.values.length !== to.A.values.length) return "";
  const { values } = from.A;
  const change = to.A.values.map((value, i) => value - values[i]);
  const share = number((100 * Math.hypot(...change)) / Math.hypot(...values));
  const ofB = from.B && largestOf(from.B.values) === 0 ? `; ${names.B} came from zero` : "";
  return Number(share) === 0
    ? ` ${names.A} is where it began${ofB}.`
    : ` ${names.A} has gone ${share} % of its own length from where it began${ofB}.`;
}

/** DoRA: how far the magnitude of each row has gone from where it began. */
function Magnitude({ m, norms }: { readonly m: Float32Array; readonly norms: Float32Array }) {
  const ratios = m.map((value, i) => value / norms[i] - 1);
  const largest = largestOf(ratios);
  return (
    <p class="magnitude">
      DoRA trains the length of each row as well: m/‖W₀‖ − 1 is at most {number(largest)} in magnitude now.
      <Heat grid={{ rows: 1, columns: ratios.length, values: ratios }} name="m/‖W₀‖ − 1" />
    </p>
  );
}

/**
 * The steps, and the start before them where it is known: B was zero, and A, whose first gradient is zero, is after the
 * first step what it was.
 */
function withStart(run: Run): readonly Stepped[] {
  const steps = run.steps.value;
  const [first] = steps;
  if (first?.norms.gradA !== 0 || !startsAtZero(run)) return steps;
  return [{ ...first, step: 0, norms: { ...first.norms, B: 0 } }, ...steps];
}

/** Whether B was zero before the first step, as far as it was looked at. */
function startsAtZero(run: Run): boolean {
  const B = run.looked.value.find(({ step }) => step === 0)?.B;
  return B ? largestOf(B.values) === 0 : false;
}

function Norms() {
  const { current } = useLab();
  const run = current.value;
  const steps = run.steps.value;
  const [last, setLast] = useState(8);
  const [one, two] = steps;
  const names = factorsOf(run.controls.method);
  const fromZero = startsAtZero(run);
  return (
    <Picture
      name="norms"
      title={
        !fromZero
          ? `The first steps of ${names.A} and ${names.B}`
          : run.controls.method === "lora-fa"
            ? "The first steps: B moves, A stays"
            : "The first steps: B moves, then A"
      }
      lines={["scaling"]}
      equation={
        fromZero
          ? String.raw`B = 0 \;\Rightarrow\; \frac{\partial L}{\partial A} = \frac{\alpha}{r}\, B^\top G\, x^\top = 0`
          : undefined
      }
      caption={
        !hasRank(run.controls.method)
          ? names.none
          : one
            ? `At step 1 the gradient of ${names.A} is ${number(one.norms.gradA)}, and that of ${names.B} is ${number(one.norms.gradB)}. ${
                two
                  ? `At step 2 that of ${names.A} is ${number(two.norms.gradA)}${one.norms.gradA === 0 && two.norms.gradA > 0 ? ": B is no longer zero" : ""}.`
                  : ""
              } Norms are over all adapted matrices.`
            : fromZero
              ? "Press Step: B moves, and A does not yet."
              : "Press Step to see the first gradients."
      }
    >
      <div class="two">
        <Plotted
          label={`Norms of A and B after each of the first ${last} steps`}
          draw={(width) => normChart(withStart(run), "factors", last, width)}
        />
        <Plotted
          label={`Norms of the gradients of A and B at each of the first ${last} steps`}
          draw={(width) => normChart(steps, "gradients", last, width)}
        />
      </div>
      <p class="keys">
        <span>
          <i style={{ background: "#4269d0" }} /> {names.A}
        </span>
        <span>
          <i style={{ background: "#e0662b" }} /> {names.B}
        </span>
        <label>
          first{" "}
          <select value={String(last)} onChange={(event) => setLast(Number(event.currentTarget.value))}>
            {[8, 30, 2000].map((count) => (
              <option key={count} value={String(count)}>
                {count === 2000 ? "all" : count}
              </option>
            ))}
          </select>{" "}
          steps
        </label>
      </p>
    </Picture>
  );
}
