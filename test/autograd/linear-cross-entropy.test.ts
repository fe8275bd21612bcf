/** @file The loss over a large vocabulary: in chunks it is what it is whole, with its gradients, in the memory of a chunk. */

import * as fc from "fast-check";
import {
  crossEntropy,
  dropout,
  type Head,
  linear,
  linearCrossEntropy,
  parameter,
  type Tensor,
  tensor,
} from "lowrank/autograd";
import { ArgumentError, measureMemory, random, ShapeError, scope, withPrecision } from "lowrank/core";
import { inject } from "lowrank/lora";
import { GPT2, Llama, manualSeed, nextTokenLoss } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seed, values } from "../support/arbitraries.ts";

const chunked = suite("linearCrossEntropy");

const problem = fc.record({
  lead: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 2 }),
  d: fc.integer({ min: 1, max: 4 }),
  classes: fc.integer({ min: 1, max: 7 }),
  rows: fc.integer({ min: 1, max: 6 }), // in a chunk
  labelSmoothing: fc.constantFrom(0, 0.1),
  reduction: fc.constantFrom("mean" as const, "sum" as const, "none" as const),
  ignored: fc.nat(4), // one label in so many
  trainable: fc.boolean(),
  dropped: fc.boolean(),
  from: seed,
});
type Problem = typeof problem extends fc.Arbitrary<infer T> ? T : never;

/** Loss, and the gradients of Σ u ∘ loss, computed by `loss`. */
function run(
  p: Problem,
  loss: (h: Tensor, head: Head, labels: number[]) => Tensor,
  createGraph = false,
): number[][] {
  const n = p.lead.reduce((a, b) => a * b, 1);
  const h = values([...p.lead, p.d], p.from, 0, 1);
  h.requiresGrad = true;
  const W = parameter(values([p.classes, p.d], p.from + 1, 0, 1));
  W.requiresGrad = p.trainable;
  const rng = random(p.from);
  const labels = Array.from({ length: n }, (_, i) =>
    p.ignored > 0 && i % p.ignored === 1 ? -100 : rng.integer(p.classes),
  );
  const y = loss(h, { outFeatures: p.classes, forward: (x) => linear(x, W) }, labels);
  const u = tensor(random(p.from + 2).uniform(y.size, 0.5, 1), y.shape);
  y.backward(u, { createGraph });
  const grads = [h, W].map((x) => [...(x.grad?.value.data ?? [])]);
  if (!createGraph) return [[...y.value.data], ...grads];
  const second = (h.grad as Tensor).square().sum();
  h.grad = W.grad = null;
  if (second.requiresGrad) second.backward();
  return [
    [...y.value.data],
    ...grads,
    ...[h, W].map((x) => [...((x.grad as Tensor | null)?.value.data ?? [])]),
  ];
}

function near(a: number[][], b: number[][], tolerance: number): void {
  assert.is(a.length, b.length);
  a.forEach((list, k) => {
    assert.is(list.length, b[k].length, `list ${k}`);
    list.forEach((x, i) => {
      const bound = tolerance * (1 + Math.abs(b[k][i]));
      assert.ok(Math.abs(x - b[k][i]) <= bound, `list ${k}, element ${i}: ${x} is not ${b[k][i]}`);
    });
  });
}

const labelled = (p: Problem, labels: number[]): { data: Int32Array; shape: number[] } => ({
  data: Int32Array.from(labels),
  shape: p.lead,
});
const whole = (p: Problem) => (h: Tensor, head: Head, labels: number[]) =>
  crossEntropy(head.forward(h), labelled(p, labels), {
    labelSmoothing: p.labelSmoothing,
    reduction: p.reduction,
  });
const inChunks =
  (p: Problem, rows = p.rows) =>
  (h: Tensor, head: Head, labels: number[]) =>
    linearCrossEntropy(h, head, labelled(p, labels), {
      labelSmoothing: p.labelSmoothing,
      reduction: p.reduction,
      chunkBytes: 4 * p.classes * rows,
    });

chunked("loss and gradients equal those of whole logits, and both those in float64", () => {
  fc.assert(
    fc.property(problem, (p) => {
      const exact = withPrecision("float64", () => run(p, whole(p)));
      // At most 25 rows and 7 classes of values below 2: some 50 roundings of 2⁻²⁴ of each sum.
      near(run(p, inChunks(p)), exact, 1e-5);
      near(run(p, whole(p)), exact, 1e-5);
      near(
        withPrecision("float64", () => run(p, inChunks(p))),
        exact,
        1e-13,
      );
    }),
  );
});

chunked("what fits in one chunk is computed as with whole logits, bit for bit", () => {
  fc.assert(
    fc.property(problem, (p) => {
      assert.equal(run(p, inChunks(p, 25)), run(p, whole(p)));
    }),
  );
});

chunked("second derivatives equal those of whole logits", () => {
  fc.assert(
    fc.property(problem, (p) => {
      withPrecision("float64", () => near(run(p, inChunks(p), true), run(p, whole(p), true), 1e-12));
    }),
  );
});

chunked("W itself may be given; without recording the loss is the same and nothing is kept", () => {
  const [h, W] = [values([7, 3], 1, 0, 1), parameter(values([11, 3], 2, 0, 1))];
  const labels = [0, 10, 3, 3, 7, -100, 1];
  const options = { chunkBytes: 4 * 11 * 2 };
  const loss = linearCrossEntropy(h, W, labels, options);
  W.requiresGrad = false;
  const frozen = linearCrossEntropy(h, W, labels, options);
  assert.is(frozen.item(), loss.item());
  assert.is(frozen.requiresGrad, false);
  assert.ok(Math.abs(loss.item() - crossEntropy(linear(h, W), labels).item()) < 1e-6);
});

chunked("a head that drops: second derivatives see the draws of the first pass", () => {
  const W = parameter(values([4, 3], 2, 0, 1));
  const rng = random(5);
  const forward = (x: Tensor): Tensor => linear(dropout(x, 0.5, rng), W);
  const loss = linearCrossEntropy(values([6, 3], 1, 0, 1), { outFeatures: 4, forward }, [0, 1, 2, 3, 0, 1], {
    chunkBytes: 32,
  });
  loss.backward(undefined, { retainGraph: true });
  const first = (W.grad as Tensor).toArray();
  W.zeroGrad();
  W.grad = null;
  loss.backward(undefined, { createGraph: true });
  near([[...(W.grad as unknown as Tensor).toArray()]], [[...first]], 1e-6);
});

chunked("nobody but the chunk pays: workspace stays within a few chunks, however many rows there are", () => {
  const [classes, d, rows] = [1000, 4, 8];
  const W = parameter(values([classes, d], 2, 0, 1));
  W.requiresGrad = false;
  const chunk = 4 * classes * rows;
  const peak = (n: number): number => {
    const report = measureMemory(() => {
      const h = values([n, d], 1, 0, 1);
      h.requiresGrad = true;
      linearCrossEntropy(h, W, new Int32Array(n), { chunkBytes: chunk }).backward();
    });
    return report.peak.workspace + report.peak.saved;
  };
  const [few, many] = [peak(4 * rows), peak(32 * rows)];
  assert.ok(few <= 6.5 * chunk, `${few} bytes for chunks of ${chunk}`);
  assert.ok(many - few <= 28 * rows * d * 4 * 6, `${many - few} bytes more for 28 more chunks`); // states, not logits
});

const gpt2 = {
  model_type: "gpt2",
  vocab_size: 23,
  n_positions: 16,
  n_embd: 8,
  n_layer: 1,
  n_head: 2,
} as const;
const llama = {
  model_type: "llama",
  vocab_size: 23,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 16,
} as const;
const ids = [
  [1, 2, 3, 4, 5, 6, 7],
  [8, 9, 10, 11, 12, 13, 14],
];

chunked("language models, tied, untied, adapted and quantized heads: the loss in chunks is the loss", () => {
  const models = {
    "gpt2, tied": () => new GPT2(gpt2, { rng: random(1) }),
    "gpt2, untied": () => new GPT2({ ...gpt2, tie_word_embeddings: false }, { rng: random(1) }),
    "llama, NF4": () => {
      const model = new Llama(llama, { rng: random(1) });
      quantizeModel(model, { skip: [] });
      return model;
    },
    "llama, LoRA on the head": () =>
      inject(new Llama(llama, { rng: random(1) }), { rank: 2, target: ["lm_head"] }).model,
  };
  for (const [name, make] of Object.entries(models)) {
    const graded = (chunkBytes: number): number[][] => {
      manualSeed(1);
      const model = make() as GPT2;
      for (const [, p] of model.namedParameters())
        if (!p.requiresGrad && name.startsWith("gpt2")) p.requiresGrad = true;
      return scope(() => {
        const loss = nextTokenLoss(model, ids, ids, { chunkBytes });
        loss.backward();
        const grads = Array.from(model.namedParameters(), ([, p]) => [...(p.grad?.toArray() ?? [])]);
        return [[loss.item()], ...grads];
      });
    };
    near(graded(4 * 23 * 5), graded(1e9), 1e-5);
  }
});

chunked("each row of a batch keeps its own adapter where the head has one", () => {
  const adapted = inject(new Llama(llama, { rng: random(1) }), {
    rank: 2,
    target: ["lm_head"],
  });
  for (const p of adapted.parameters()) if (p.requiresGrad) p.assign(random(2).normal(p.size)); // B starts at 0
  const loss = (chunkBytes: number): number =>
    adapted.withRows(["default", null], () => nextTokenLoss(adapted.model, ids, ids, { chunkBytes }).item());
  assert.ok(Math.abs(loss(4 * 23 * 6) - loss(1e9)) < 1e-5);
});

chunked("a model whose forward is its own keeps it: nothing goes round it", () => {
  class Capped extends GPT2 {
    override forward(...args: Parameters<GPT2["forward"]>): Tensor {
      return super.forward(...args).mul(0.5);
    }
  }
  const [plain, capped] = [GPT2, Capped].map((Model) => new Model(gpt2, { rng: random(1) }).eval() as GPT2);
  const expected = crossEntropy(
    capped.forward(ids.map((row) => row.slice(0, 6))),
    ids.map((row) => row.slice(1)),
  );
  assert.is(capped.loss(ids).item(), expected.item());
  assert.is.not(capped.loss(ids).item(), plain.loss(ids).item());
});

chunked("nonsense is refused", () => {
  const [h, W] = [values([2, 3], 1, 0, 1), values([5, 3], 2, 0, 1)];
  const refused = (f: () => unknown, kind: typeof ArgumentError | typeof ShapeError): void => {
    assert.throws(f, (e: Error) => e instanceof kind && /linearCrossEntropy/.test(e.message));
  };
  for (const chunkBytes of [0, -1, NaN])
    refused(() => linearCrossEntropy(h, W, [0, 1], { chunkBytes }), ArgumentError);
  refused(() => linearCrossEntropy(h, W, [0, 5]), ArgumentError);
  refused(() => linearCrossEntropy(h, W, [0]), ShapeError);
  refused(() => linearCrossEntropy(h, W, [0, 1], { labelSmoothing: 2 }), ArgumentError);
  refused(() => linearCrossEntropy(h, W, [0, 1], { ignore_index: 0 } as never), ArgumentError);
});

chunked.run();
