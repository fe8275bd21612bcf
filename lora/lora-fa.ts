/**
 * @file LoRA-FA: Memory-efficient Low-rank Adaptation by Freezing A. Zhang et al., 2023, arXiv:2308.03303.
 *
 *     h = W0 x + (α/r) B A x, with A drawn once and frozen: only B is trained
 *
 *     A [r, in]  random, frozen          B [out, r]  starts at zero
 *
 * Every row of ΔW stays in the span of A's rows. Of the two gradients only A's needs x; backward to B needs A x:
 * r values per token are kept instead of in + r. Autograd finds that by itself, because A needs no gradient: no code here
 * is needed for it. (Dropout undoes it where x has a gradient: its mask is as large as x.)
 *
 * The later version of the paper corrects B's gradient. With G = ∂L/∂W and s = α/r, plain training sees g_B = s G Aᵀ.
 * The step g' of B whose effect on W, s g' A, comes nearest to G solves min ‖s g' A − G‖_F:
 *
 *     g' = (1/s) G Aᵀ (A Aᵀ)⁻¹ = (1/s²) g_B (A Aᵀ)⁻¹          and s g' A is G projected onto the span of A's rows
 *
 * A starts Kaiming-uniform, as in PEFT. At an embedding A is drawn and B zero too; LoRA's other way round would freeze
 * a zero. A Aᵀ has 1e-8 added to its diagonal, as in PEFT.
 */

import { matmul, type Parameter, Tensor } from "../autograd/index.ts";
import {
  ArgumentError,
  array,
  binary,
  checkOptions,
  inverse,
  type NDArray,
  optionNames,
  matmul as product,
} from "../core/index.ts";
import { type AdamSettings, AdamW, Module, optimizerSpellings, type ParameterState } from "../nn/index.ts";
import { initialize } from "./init/index.ts";
import { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "./model/adapter.ts";
import { cached } from "./model/cached.ts";
import type { LayerInput, WeightView } from "./model/weight-view.ts";

const inverses = cached<NDArray>();

/** LoRA-FA on one layer: LoRA with A frozen as it was drawn; only B is trained. */
export class LoraFA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<AdapterOptions, "rng">>({
    ...commonOptions,
    init: true,
    loftq: true,
  });
  readonly method = "lora-fa";
  A: Parameter; // [r, in], frozen
  B: Parameter; // [out, r]

  constructor(W0: WeightView, options: AdapterOptions) {
    super(options);
    const { A, B, residual } = initialize(W0, { ...options, scaling: this.scaling, zero: "B" });
    this.A = adapterParameter(A);
    this.A.requiresGrad = false;
    this.B = adapterParameter(B);
    this.residual = residual;
  }

  /** ΔW x = (α/r) B A x. Backward needs A x, and not x, since A has no gradient. */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    const z = W0.down(this.dropped(x), this.A); // A x            [..., r]
    return W0.up(z.mul(this.scaling), this.B); //  (α/r) B A x    [..., out]
  }

  /** ΔW = (α/r) B A   [out, in] */
  override deltaWeight(_W0?: WeightView): Tensor {
    return matmul(this.B, this.A).mul(this.scaling);
  }

  /** A and (α/r) B. */
  override factors(): { A: Tensor; B: Tensor } {
    return { A: this.A, B: this.B.mul(this.scaling) };
  }

  /** Makes B trainable or not; A never is. */
  override requiresGrad_(required = true): this {
    this.B.requiresGrad = required;
    return this;
  }

  /** Replaces B's gradient g_B [out, r] by (1/s²) g_B (A Aᵀ)⁻¹. Call it between backward and the optimizer's step. */
  correctGradient(): void {
    const { gradValue } = this.B;
    if (gradValue) new Tensor(gradValue).assign(product(gradValue, this.inverseGram()));
  }

  /** (1/s²) (A Aᵀ + 1e-8 I)⁻¹   [r, r], computed once for each A. */
  private inverseGram(): NDArray {
    const { storage } = this.A.value;
    const of = [storage, storage.version];
    return inverses(this, of, () => {
      const [r, into] = this.A.shape;
      const a = Float64Array.from(this.A.value.data);
      const gram = Float64Array.from({ length: r * r }, (_, at) => {
        const [i, j] = [Math.floor(at / r), at % r];
        let sum = i === j ? 1e-8 : 0;
        for (let k = 0; k < into; k++) sum += a[i * into + k] * a[j * into + k];
        return sum;
      });
      const scaled = inverse(gram, r).map((value) => value / this.scaling ** 2);
      return array(scaled, [r, r], "optimizer");
    });
  }
}

export interface LoraFASettings extends AdamSettings {
  /**
   * Correct B's gradient before each step.
   * @default false
   */
  readonly correctGradient: boolean;
  /**
   * "pytorch": AdamW. "peft": the Adam of PEFT's LoRA-FA optimizer, which adds ε to √v and not to √v̂, and decays the
   * weight after the step: w ← (1 − η λ) (w − η √(1 − β₂ᵗ)/(1 − β₁ᵗ) m/(√v + ε)).
   * @default "pytorch"
   */
  readonly adam: "pytorch" | "peft";
}

const loraFASettings = optionNames<LoraFASettings>({
  lr: true,
  betas: true,
  eps: true,
  weightDecay: true,
  amsgrad: true,
  correctGradient: true,
  adam: true,
});

/** AdamW on the trainable parameters of `model`, with the gradient correction as an option. */
export class LoraFAAdamW extends AdamW {
  readonly #model: Module;
  readonly #settings: Pick<LoraFASettings, "correctGradient" | "adam">;

  /** @throws ArgumentError as AdamW */
  constructor(model: Module, settings: Partial<LoraFASettings> = {}) {
    checkOptions("LoraFAAdamW", settings, loraFASettings, optimizerSpellings);
    const { correctGradient = false, adam = "pytorch", ...adamSettings } = settings;
    if (typeof correctGradient !== "boolean")
      throw new ArgumentError("LoraFAAdamW", "correctGradient to be true or false", { correctGradient });
    if (adam !== "pytorch" && adam !== "peft")
      throw new ArgumentError("LoraFAAdamW", 'adam to be "pytorch" or "peft"', { adam });
    if (!(model instanceof Module))
      throw new ArgumentError("LoraFAAdamW", "a model, then its settings", { model: typeof model });
    super(
      model.parameters().filter(({ requiresGrad }) => requiresGrad),
      adamSettings,
    );
    this.#model = model;
    this.#settings = { correctGradient, adam };
  }

  override step(): void {
    if (this.#settings.correctGradient) {
      const modules = new Set(Array.from(this.#model.namedModules(), ([, module]) => module));
      for (const module of modules) if (module instanceof LoraFA) module.correctGradient();
    }
    super.step();
  }

  protected override update(
    w: Parameter,
    gradient: NDArray,
    settings: AdamSettings,
    state: ParameterState,
  ): void {
    const { lr, betas, eps, weightDecay } = settings;
    if (this.#settings.adam === "pytorch") super.update(w, gradient, settings, state);
    else {
      const late = eps / Math.sqrt(1 - betas[1] ** state.step); // √v̂ + late = (√v + ε)/√(1 − β₂ᵗ)
      super.update(w, gradient, { ...settings, eps: late, weightDecay: 0 }, state);
      if (weightDecay > 0) w.assign(binary("mul", w.value, array(1 - lr * weightDecay, [])));
    }
  }
}
