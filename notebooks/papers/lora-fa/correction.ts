/** @file The gradient correction of LoRA-FA's later version, tried in double precision. */
import { matmul, noGrad, type Tensor, tensor } from "lowrank/autograd";
import { inverse, random, withPrecision } from "lowrank/core";
import { type Adapter, LoraFA, viewWeight } from "lowrank/lora";
import { Linear } from "lowrank/nn";

/** The largest relative difference between the effect s g′ A of the library's corrected step g′ and G P. */
export function correctionError({ alpha = 6, out = 9, into = 14, r = 4 } = {}): number {
  return withPrecision("float64", () => {
    const part = new LoraFA(viewWeight(new Linear(into, out, { bias: false, rng: random(1) })), {
      rank: r,
      alpha,
      rng: random(2),
    });
    part.B.assign(random(4).normal(out * r));
    const G = tensor(random(5).normal(out * into), [out, into]);
    part.deltaWeight().mul(G).sum().backward(); // L = ⟨G, ΔW⟩, so that ∂L/∂W = G
    part.correctGradient();
    const A = part.A.detach();
    const effect = matmul((part.B.grad as Tensor).detach(), A).mul(part.scaling);
    const gram = tensor(inverse(matmul(A, A.T).value.data, r), [r, r]);
    const projected = matmul(matmul(matmul(G, A.T), gram), A); // G Aᵀ (A Aᵀ)⁻¹ A
    return effect.sub(projected).abs().max().item() / projected.abs().max().item();
  });
}

/** How much of ‖ΔW‖ lies outside the span of A's rows: ‖ΔW − ΔW P‖/‖ΔW‖, in double precision. */
export function outsideOf(part: Adapter): number {
  if (!(part instanceof LoraFA))
    throw new TypeError(`outsideOf: expected LoRA-FA; got ${part.constructor.name}`);
  return withPrecision("float64", () =>
    noGrad(() => {
      const double = ({ value, shape }: Tensor): Tensor => tensor(Float64Array.from(value.data), shape);
      const [A, B] = [double(part.A), double(part.B)];
      const dW = matmul(B, A);
      const gram = tensor(inverse(matmul(A, A.T).value.data, A.shape[0]), [A.shape[0], A.shape[0]]);
      const inside = matmul(matmul(matmul(dW, A.T), gram), A); // ΔW P
      return dW.sub(inside).norm().item() / dW.norm().item();
    }),
  );
}
