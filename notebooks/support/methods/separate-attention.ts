/**
 * @file Splits GPT-2's fused layer c_attn into three layers, c_attn.q, c_attn.k and c_attn.v, that compute the same.
 * LoRA's paper adapts W_q, W_k and W_v one by one.
 */
import { concat, slice, type Tensor } from "lowrank/autograd";
import { Conv1D, type GPT2, Module, withoutInit } from "lowrank/nn";

/** x ↦ [q(x), k(x), v(x)] along the last axis. */
class QueryKeyValue extends Module {
  q: Conv1D;
  k: Conv1D;
  v: Conv1D;

  constructor(fused: Conv1D) {
    super();
    [this.q, this.k, this.v] = [0, 1, 2].map((part) => columns(fused, part));
  }

  forward(x: Tensor): Tensor {
    return concat([this.q.forward(x), this.k.forward(x), this.v.forward(x)], -1); // [..., 3 d]
  }
}

/** Splits c_attn in every block of the model, in place. */
export function separateAttention(model: GPT2): GPT2 {
  model.transformer.h.forEach((block, i) => {
    const fused = block.attn.c_attn as Conv1D;
    model.replaceModule(`transformer.h.${i}.attn.c_attn`, new QueryKeyValue(fused));
    for (const storage of fused.storages()) storage.release(); // otherwise the meter counts it until garbage collection
  });
  return model;
}

/** One third of a layer's outputs, as a layer of its own. */
function columns({ weight, bias, inFeatures: d }: Conv1D, part: number): Conv1D {
  const [from, to] = [part * d, (part + 1) * d];
  const layer = withoutInit(() => new Conv1D(d, d));
  layer.weight.assign(slice(weight, 1, from, to).value); // [in, out]
  layer.bias.assign(slice(bias, 0, from, to).value);
  return layer;
}
