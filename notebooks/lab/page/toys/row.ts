/**
 * @file One row of a weight, in two dimensions: w0 [1, 2], moved by hand or trained towards w* by full fine-tuning, LoRA and
 * DoRA. The measures are those of DoRA's §3.2, for one row:
 *
 *     ΔM = |‖w'‖ − ‖w0‖|      ΔD = 1 − cos(w', w0)
 */
import { noGrad, parameter, type Tensor, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { DoRA, LoRA, viewWeight } from "lowrank/lora";
import { Linear, SGD } from "lowrank/nn";
import { inStep, onLoops, type Training } from "./training.ts";

export type Point = readonly [x: number, y: number];

/** The frozen row, of length 1.25. */
export const W0: Point = [1, 0.75];
export const LENGTH = Math.hypot(...W0);
export const STEPS = 100;

/** w0 turned by an angle in degrees and made `factor` times as long. */
export function turned(degrees: number, factor: number): Point {
  const angle = (degrees * Math.PI) / 180;
  const [x, y] = W0;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [factor * (cos * x - sin * y), factor * (sin * x + cos * y)];
}

export interface Change {
  /** ΔM */
  readonly magnitude: number;
  /** ΔD */
  readonly direction: number;
}

export function changeOf([x, y]: Point): Change {
  const length = Math.hypot(x, y);
  const cos = length === 0 ? 0 : (x * W0[0] + y * W0[1]) / (length * LENGTH);
  return { magnitude: Math.abs(length - LENGTH), direction: 1 - cos };
}

const frozen = () => {
  const layer = new Linear(2, 1, { bias: false, rng: random(0) });
  layer.weight.assign([...W0]);
  return viewWeight(layer);
};

/** The two rows that an update BA = u gives: LoRA's w0 + u, and DoRA's m (w0 + u)/‖w0 + u‖. */
export function byHand(u: Point, m: number): { readonly lora: Point; readonly dora: Point } {
  return onLoops(() =>
    noGrad(() => {
      const weight = frozen();
      const [lora, dora] = [LoRA, DoRA].map((Method) => {
        const adapter = new Method(weight, { rank: 1, rng: random(0) });
        adapter.A.assign([...u]);
        adapter.B.assign([1]);
        if (adapter instanceof DoRA) adapter.m.assign([m]);
        return pointOf(weight.weight().add(adapter.deltaWeight(weight)));
      });
      return { lora, dora };
    }),
  );
}

const pointOf = (row: Tensor): Point => {
  const [x, y] = row.toArray();
  return [x, y];
};

export const methods = ["full fine-tuning", "LoRA", "DoRA"] as const;
export type Method = (typeof methods)[number];

/** The row after each step, w0 first. */
export type Paths = Readonly<Record<Method, readonly Point[]>>;

/** Gradient descent on ½ ‖w' − w*‖² by each method, with one rate. */
export function trainRow(target: Point, rate = 0.15): Training<Paths> {
  const runs = onLoops(() => {
    const ideal = tensor([...target], [1, 2]);
    const weight = frozen();
    const options = { rank: 1, rng: random(4) };
    const [w, lora, dora] = [
      parameter(weight.weight()),
      new LoRA(weight, options),
      new DoRA(weight, options),
    ];
    const run = (row: () => Tensor, trained: Tensor[]) => ({
      row,
      loss: () => row().sub(ideal).square().sum().mul(0.5),
      optimizer: new SGD(trained, { lr: rate }),
      path: [noGrad(() => pointOf(row()))],
    });
    return {
      "full fine-tuning": run(() => w.mul(1), [w]),
      LoRA: run(() => weight.weight().add(lora.deltaWeight()), [lora.A, lora.B]),
      DoRA: run(() => weight.weight().add(dora.deltaWeight(weight)), [dora.A, dora.B, dora.m]),
    };
  });
  return {
    steps: STEPS,
    step: () =>
      inStep(() => {
        for (const { loss, optimizer, path, row } of Object.values(runs)) {
          loss().backward();
          optimizer.step();
          optimizer.zeroGrad();
          path.push(noGrad(() => pointOf(row())));
        }
      }),
    read: () => ({
      "full fine-tuning": [...runs["full fine-tuning"].path],
      LoRA: [...runs.LoRA.path],
      DoRA: [...runs.DoRA.path],
    }),
  };
}
