/** @file LoRA and DoRA on a 4-bit layer, against PEFT on bitsandbytes: numbers, and the state dict's very bytes. */

import { noGrad, type Parameter, type Tensor } from "lowrank/autograd";
import type { TensorBytes } from "lowrank/core";
import { type Adapter, type DoRA, inject, type LoRA } from "lowrank/lora";
import { type LinearLike, Module } from "lowrank/nn";
import { type QuantizedLinear, quantizedState, quantizeModel } from "lowrank/quant";
import type { LoadedCase } from "../cases.ts";
import type { Numbers } from "../check.ts";
import { linearOf } from "./adapted.ts";
import { arrayOf, differentiate, type Methods, type Outputs, variable } from "./method.ts";

/** A model of one layer, which can be quantized and adapted. */
class OneLayer extends Module {
  layer: LinearLike;

  constructor(layer: LinearLike) {
    super();
    this.layer = layer;
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

export const qlora: Methods = { "qlora-linear": qloraLinear };

function qloraLinear(c: LoadedCase): Outputs {
  const { params } = c;
  const model = new OneLayer(linearOf(c));
  quantizeModel(model, {
    format: params.oneOf("quant_type", ["nf4", "fp4"]),
    blockSize: params.number("blocksize"),
    doubleQuant: params.boolean("double_quant"),
    computeDtype: params.oneOf("compute_dtype", ["float32", "bfloat16"]),
  });
  const base = model.layer as QuantizedLinear;
  const useDora = params.boolean("use_dora");
  const adapted = inject(model, {
    method: useDora ? "dora" : "lora",
    target: "layer",
    rank: params.number("r"),
    alpha: params.number("lora_alpha"),
  });
  const factors = factorsOf(adapted.adapter("default").get("layer") as Adapter);
  for (const [name, factor] of Object.entries(factors)) factor.assign(arrayOf(c, name));

  const x = variable(c, "x");
  const outputs = differentiate(c, adapted.forward(x), { x, ...factors });
  return {
    ...outputs,
    y_base: noGrad(() => base.forward(x)),
    dequantized_weight: base.denseWeight(),
    packed: list(base.packed.packed),
    ...Object.fromEntries(
      Array.from(quantizedState(base), ([name, entry]) => [`state.${name}`, numbersIn(entry)]),
    ),
  };
}

/** The trained parameters by the cases' names. */
function factorsOf(adapter: Adapter): Record<string, Parameter> {
  const { A, B, m } = adapter as Adapter & Pick<LoRA, "A" | "B"> & Partial<Pick<DoRA, "m">>;
  return { lora_A: A, lora_B: B, ...(m ? { magnitude: m } : {}) };
}

const list = (data: ArrayLike<number>): Numbers => ({ data, shape: [data.length] });

/** Bytes as they are, floats as numbers. */
function numbersIn({ dtype, shape, bytes }: TensorBytes): Numbers {
  return { shape, data: dtype === "F32" ? new Float32Array(bytes.slice().buffer) : bytes };
}
