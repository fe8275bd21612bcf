/**
 * @file Batches with padding: logits at tokens, losses and gradients are those of each row alone, on every device, for
 * masks of any form, adapters of all methods and per row, and checkpointed blocks.
 */

import * as fc from "fast-check";
import { noGrad, type Tensor } from "lowrank/autograd";
import {
  ArgumentError,
  type DeviceName,
  type Indices,
  indices,
  random,
  ShapeError,
  scope,
  withDevice,
} from "lowrank/core";
import { type AdapterConfig, inject, type Method } from "lowrank/lora";
import {
  Bert,
  BertModel,
  checkpointBlocks,
  fit,
  GPT2,
  KeyValueCache,
  Llama,
  nextTokenLoss,
  SGD,
} from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fill, trained } from "../support/on-device.ts";
import { assertNear, expected, type Results } from "../support/rounding.ts";

const test = suite("padding");

const VOCABULARY = 11;
const CONTEXT = 9;

type Decoder = GPT2 | Llama;

/** What a Llama-like is beside its sizes. */
const likes = {
  llama: { model_type: "llama" },
  "llama with rope_scaling": {
    ...{ model_type: "llama", rope_scaling: { rope_type: "linear", factor: 2 } },
  },
  mistral: { model_type: "mistral", sliding_window: CONTEXT },
  qwen2: { model_type: "qwen2" },
  qwen3: { model_type: "qwen3" },
} as const;

type Architecture = "gpt2" | keyof typeof likes;

interface Sizes {
  readonly architecture: Architecture;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly isCheckpointed: boolean;
  readonly seed: number;
}

function decoder({ architecture, heads, kvHeads, headDim, isCheckpointed, seed }: Sizes): Decoder {
  const rng = random(1);
  const model =
    architecture === "gpt2"
      ? new GPT2(
          {
            ...{ model_type: "gpt2", vocab_size: VOCABULARY, n_positions: CONTEXT, n_layer: 2 },
            ...{ n_embd: heads * headDim, n_head: heads, layer_norm_epsilon: 0.1 },
            ...{ embd_pdrop: 0, attn_pdrop: 0, resid_pdrop: 0 },
            scale_attn_by_inverse_layer_idx: seed % 2 === 1,
          },
          { rng },
        )
      : new Llama(
          {
            ...(likes[architecture] as { model_type: "llama" }),
            ...(architecture === "qwen3" && { head_dim: 2 * headDim }),
            ...{ vocab_size: VOCABULARY, max_position_embeddings: CONTEXT, num_hidden_layers: 2 },
            ...{ hidden_size: kvHeads * heads * 2 * headDim, num_attention_heads: kvHeads * heads },
            ...{ num_key_value_heads: kvHeads, intermediate_size: 7, rms_norm_eps: 0.1 },
          },
          { rng },
        );
  fill(model, seed);
  if (isCheckpointed) checkpointBlocks(model);
  return model.eval() as Decoder;
}

const sizes = {
  architecture: fc.constantFrom<Architecture>("gpt2", "gpt2", ...(Object.keys(likes) as Architecture[])),
  heads: fc.constantFrom(1, 2, 3),
  kvHeads: fc.constantFrom(1, 2),
  headDim: fc.constantFrom(1, 2, 4),
  isCheckpointed: fc.boolean(),
  seed: fc.nat(10_000),
};

/** Ids with their mask. */
interface Batch {
  readonly ids: Indices;
  readonly attentionMask: Indices;
}

const table = (rows: readonly (readonly number[])[], time: number): Indices =>
  indices(rows.flat(), [rows.length, time]);

/** Masks of a batch: tokens at the end, at the start, anywhere; rows of padding only among them; all tokens, too. */
const batch: fc.Arbitrary<Batch> = fc
  .record({
    time: fc.integer({ min: 2, max: CONTEXT + 2 }), // the context counts tokens, not padding
    rows: fc.array(
      fc.record({ side: fc.constantFrom("left", "right", "anywhere"), bits: fc.nat(2 ** CONTEXT - 1) }),
      { minLength: 1, maxLength: 3 },
    ),
    seed: fc.nat(10_000),
  })
  .map(({ time, rows, seed }) => {
    const rng = random(seed);
    const mask = rows.map(({ side, bits }) => {
      const least = Math.max(0, time - CONTEXT);
      const padding = least + (bits % (time - least + 1));
      return Array.from({ length: time }, (_, t) =>
        Number(
          side === "left" ? t >= padding : side === "right" ? t < time - padding : ((bits >> t) & 1) === 1,
        ),
      );
    });
    const ids = mask.map((row) => row.map(() => rng.integer(VOCABULARY)));
    return { ids: table(ids, time), attentionMask: table(mask, time) };
  });

/** The tokens of each row without its padding. */
function rowsAlone({ ids: { data, shape }, attentionMask: mask }: Batch): number[][] {
  const [rows, time] = shape;
  return Array.from({ length: rows }, (_, row) =>
    [...data.subarray(row * time, (row + 1) * time)].filter((_, t) => mask.data[row * time + t] === 1),
  );
}

/** The model to call, the parameters that train, and how to compute with some of the batch's rows. */
interface Trial {
  readonly model: Decoder;
  readonly leaves: readonly (readonly [string, Tensor])[];
  readonly withRows: <T>(rows: readonly number[], run: () => T) => T;
}

const numbersOf = (x: Tensor | null, size: number): ArrayLike<number> =>
  x ? x.value.data.slice() : new Float64Array(size);

const gradients = ({ leaves }: Trial): Results => leaves.map(([, leaf]) => numbersOf(leaf.grad, leaf.size));

/** Logits at tokens, loss and gradients of the batch with its padding. */
function padded(trial: Trial, { ids, attentionMask }: Batch): Results {
  return scope(() =>
    trial.withRows([...Array(ids.shape[0]).keys()], () => {
      const all = trial.model.forward(ids, { attentionMask }).value.data;
      assert.ok(all.every(Number.isFinite), "logits at padding are finite");
      const logits = Array.from(all).filter((_, i) => attentionMask.data[Math.floor(i / VOCABULARY)] === 1);
      const loss = nextTokenLoss(trial.model, ids, ids, { attentionMask });
      if (loss.requiresGrad) loss.backward(); // not where every row is the base model's
      return [logits, loss.value.data.slice(), ...gradients(trial)];
    }),
  );
}

/** The same from each row alone: the sum of the rows' losses, divided by the number of labels of all rows. */
function alone(trial: Trial, batch: Batch): Results {
  const rows = rowsAlone(batch);
  const labels = rows.reduce((count, row) => count + Math.max(0, row.length - 1), 0);
  const logits: number[] = [];
  let total = 0;
  rows.forEach((row, i) => {
    if (row.length === 0) return;
    scope(() =>
      trial.withRows([i], () => {
        logits.push(...trial.model.forward([row]).value.data);
        if (row.length === 1) return;
        const loss = nextTokenLoss(trial.model, [row], [row], { reduction: "sum" }).div(labels);
        if (loss.requiresGrad) loss.backward();
        total += loss.item();
      }),
    );
  });
  return [logits, [total], ...gradients(trial)];
}

function agrees(device: DeviceName, make: () => Trial, batch: Batch): void {
  const bounds = expected(make, (trial) => alone(trial, batch));
  fc.pre(bounds !== null);
  const trial = make();
  const names = ["the logits", "the loss", ...trial.leaves.map(([name]) => `the gradient of ${name}`)];
  assertNear(
    device,
    withDevice(device, () => padded(trial, batch)),
    bounds as NonNullable<typeof bounds>,
    names,
  );
}

const plain =
  (sizes: Sizes): (() => Trial) =>
  () => {
    const model = decoder(sizes);
    return { model, leaves: trained(model), withRows: (_, run) => run() };
  };

/** A model, dense or quantized, with adapters of a method, one for all rows or another for each. */
const adapted =
  (
    sizes: Sizes,
    method: Method,
    { isByRow, isQuantized }: { readonly isByRow: boolean; readonly isQuantized: boolean },
  ): (() => Trial) =>
  () => {
    const slices = method === "merged-linear" ? { slices: [true] } : {};
    const config = { method, rank: 2, alpha: 3, target: "all-linear", seed: 1, ...slices } as AdapterConfig;
    const model = decoder(sizes);
    if (isQuantized) quantizeModel(model, { format: "nf4", blockSize: 64 });
    const adapted = inject(model, config);
    adapted.addAdapter("second", { ...config, seed: 2 });
    adapted.trainOnly(isByRow ? ["default", "second"] : "default");
    fill(adapted.model, sizes.seed + 1, /(^|\.)(A|B|m|P|Q|lambda)$/);
    const names = [null, "default", "second"];
    return {
      model,
      leaves: trained(model),
      withRows: (rows, run) =>
        isByRow
          ? adapted.withRows(
              rows.map((row) => names[(row + sizes.seed) % 3]),
              run,
            )
          : run(),
    };
  };

const devices: readonly (readonly [DeviceName, number])[] = [
  ["reference", 12],
  ["cpu", 30],
  ["gpu:cpu", 4],
  ["gpu:webasm", 4],
];

for (const [device, numRuns] of devices) {
  test(`${device}: a batch with padding is each of its rows alone: logits, loss, gradients`, () => {
    fc.assert(
      fc.property(fc.record(sizes), batch, (sizes, batch) => agrees(device, plain(sizes), batch)),
      { numRuns },
    );
  });
}

test("adapters of every method, one for all rows or one for each row, are as the row alone has them", () => {
  const method = fc.constantFrom<Method>("lora", "dora", "adalora", "lora-fa", "merged-linear", "lora-conv");
  fc.assert(
    fc.property(
      fc.record(sizes),
      method,
      fc.record({ isByRow: fc.boolean(), isQuantized: fc.boolean() }),
      batch,
      (sizes, method, how, batch) => agrees("cpu", adapted(sizes, method, how), batch),
    ),
    { numRuns: 14 },
  );
});

test("with a cache, in pieces, a batch with padding gives the logits that it gives at once", () => {
  const cut = fc.nat(100);
  fc.assert(
    fc.property(fc.record(sizes), batch, cut, (sizes, { ids, attentionMask }, cut) =>
      noGrad(() => {
        const model = decoder({ ...sizes, isCheckpointed: false });
        const [rows, time] = ids.shape;
        const all = model.forward(ids, { attentionMask });
        const part = ({ data }: Indices, from: number, to: number): Indices =>
          table(
            Array.from({ length: rows }, (_, row) => [...data.subarray(row * time + from, row * time + to)]),
            to - from,
          );
        const middle = 1 + (cut % (time - 1));
        const cache = new KeyValueCache();
        const steps = [
          [0, middle],
          ...Array.from({ length: time - middle }, (_, i) => [middle + i, middle + i + 1]),
        ];
        for (const [from, to] of steps) {
          const logits = model.forward(part(ids, from, to), {
            cache,
            attentionMask: part(attentionMask, 0, to),
          });
          const distance = logits.sub(all.slice(1, from, to)).abs();
          // Logits at padding mean nothing: the causal mask lets a padding see other tokens in pieces than at once.
          const tokens = part(attentionMask, from, to).data;
          const far = distance.value.data.filter((_, i) => tokens[Math.floor(i / VOCABULARY)] === 1);
          assert.ok(
            far.every((d) => d <= 1e-4),
            `${Math.max(...far)}`,
          );
        }
      }),
    ),
    { numRuns: 30 },
  );
});

const small: Sizes = {
  ...{ architecture: "llama", heads: 2, kvHeads: 1, headDim: 2, isCheckpointed: false, seed: 3 },
};

test("a mask of ones is no mask, bit for bit, in forward, in the loss and in its gradients", () => {
  for (const architecture of ["gpt2", "llama"] as const) {
    const results = [
      undefined,
      [
        [1, 1, 1],
        [1, 1, 1],
      ],
    ].map((attentionMask) => {
      const model = decoder({ ...small, architecture });
      const ids = [
        [1, 2, 3],
        [4, 5, 6],
      ];
      const loss = model.loss(ids, ids, { attentionMask });
      loss.backward();
      return [
        model.forward(ids, { attentionMask }).toArray(),
        loss.item(),
        ...trained(model).map(([, leaf]) => leaf.grad?.toArray()),
      ];
    });
    assert.equal(results[0], results[1]);
  }
});

test("a batch of padding only: logits are finite, the loss and all gradients 0", () => {
  const model = decoder(small);
  const attentionMask = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  const ids = [
    [1, 2, 3],
    [4, 5, 6],
  ];
  assert.ok(model.forward(ids, { attentionMask }).toArray().every(Number.isFinite));
  const loss = model.loss(ids, undefined, { attentionMask });
  assert.is(loss.item(), 0);
  loss.backward();
  for (const [name, { grad }] of trained(model))
    assert.ok(!grad || grad.toArray().every((g) => g === 0), name);
});

test("the loss ignores labels at padding, whatever they are, and those that are ignored besides", () => {
  const model = decoder(small);
  const attentionMask = [
    [0, 0, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ];
  const ids = [
    [9, 9, 1, 2, 3],
    [4, 5, 6, 9, 9],
  ];
  const labels = [
    [999, -5, 1, -100, 3],
    [4, 5, 6, 77, -100],
  ];
  const each = model.loss(ids, labels, { attentionMask, reduction: "none" });
  assert.equal(each.shape, [2, 4]);
  assert.equal(
    Array.from(each.toArray(), (loss) => Number(loss !== 0)),
    [0, 0, 0, 1, 1, 1, 0, 0],
  );
  const first = model.loss([[1, 2, 3]], [[1, -100, 3]], { reduction: "sum" }).item();
  const second = model.loss([[4, 5, 6]], undefined, { reduction: "sum" }).item();
  const mean = model.loss(ids, labels, { attentionMask }).item();
  assert.ok(Math.abs(mean - (first + second) / 3) < 1e-6);
});

test("BERT: a row of padding only is finite, and the other rows and their gradients are as without it", () => {
  for (const model_type of ["bert", "roberta"] as const) {
    const sizes = { vocab_size: 11, hidden_size: 4, num_hidden_layers: 2, num_attention_heads: 2 };
    const rest = { intermediate_size: 5, max_position_embeddings: 9, pad_token_id: 0 };
    const run = (ids: number[][], attentionMask: number[][]) => {
      const bert = new BertModel({ model_type, ...sizes, ...rest } as { model_type: "bert" }, {
        rng: random(1),
      }).eval();
      fill(bert, 2);
      const h = bert.forward(ids, { attentionMask });
      h.slice(0, 0, 1).slice(1, 0, 2).square().sum().backward(); // of the first row's tokens
      const grads = trained(bert).map(([, { grad, size }]) => [
        ...(grad?.toArray() ?? new Float32Array(size)),
      ]);
      return { h: h.toArray(), grads: grads.flat() };
    };
    const both = run(
      [
        [1, 2, 0],
        [0, 0, 0],
      ],
      [
        [1, 1, 0],
        [0, 0, 0],
      ],
    );
    const one = run([[1, 2]], [[1, 1]]);
    assert.ok(both.h.every(Number.isFinite));
    for (let i = 0; i < 8; i++) assert.ok(Math.abs(both.h[i] - one.h[i]) < 1e-5);
    assert.ok(one.grads.some((g) => g !== 0));
    for (const [i, g] of one.grads.entries())
      assert.ok(Math.abs(both.grads[i] - g) < 1e-4, `${g}, ${both.grads[i]}`);
  }
});

test("positions follow the mask unless they are given", () => {
  const model = decoder({ ...small, architecture: "gpt2" });
  const attentionMask = [[0, 0, 1, 1]];
  const last = (options: object) => model.forward([[9, 9, 1, 2]], { lastOnly: true, ...options }).toArray();
  assert.equal(last({ attentionMask }), last({ attentionMask, positions: [0, 0, 0, 1] }));
  assert.not.equal(last({ attentionMask }), last({ attentionMask, positions: [0, 1, 2, 3] }));
});

test("fit on padded batches has the losses and weights of the rows alone, weighted by their labels", () => {
  for (const architecture of ["gpt2", "qwen2"] as const) {
    const rng = random(5);
    const batches = Array.from({ length: 6 }, () =>
      [2, 5, 3, 8].map((length) => Array.from({ length }, () => rng.integer(VOCABULARY))),
    );
    const run = (loss: (model: Decoder, rows: number[][]) => Tensor) => {
      const model = decoder({ ...small, architecture });
      const { losses } = fit(model, {
        ...{ steps: 6, optimizer: new SGD(model.parameters(), { lr: 0.1 }), progress: false },
        ...{ batch: (step: number) => batches[step], loss: (rows: number[][]) => loss(model, rows) },
      });
      return [...losses, ...trained(model).flatMap(([, leaf]) => [...leaf.toArray()])];
    };
    const paddedRun = run((model, rows) => {
      const pad = (row: number[], value: (t: number) => number) => [
        ...Array.from({ length: 8 - row.length }, () => 0),
        ...row.map((_, t) => value(t)),
      ];
      const ids = rows.map((row) => pad(row, (t) => row[t]));
      return model.loss(ids, ids, { attentionMask: rows.map((row) => pad(row, () => 1)) });
    });
    const aloneRun = run((model, rows) => {
      const labels = rows.reduce((count, row) => count + row.length - 1, 0);
      return rows
        .map((row) => model.loss([row]).mul((row.length - 1) / labels))
        .reduce((sum, loss) => sum.add(loss));
    });
    const far = Math.max(...paddedRun.map((value, i) => Math.abs(value - aloneRun[i])));
    assert.ok(far < 1e-5, `${architecture}: ${far}`);
  }
});

test("Mistral within its window is exact with a cache and a mask, and beyond it is refused", () => {
  const fields = {
    ...{ vocab_size: VOCABULARY, max_position_embeddings: CONTEXT, hidden_size: 8, intermediate_size: 7 },
    ...{ num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
  };
  const [windowed, full] = [6, null].map((sliding_window) =>
    new Llama({ model_type: "mistral", ...fields, sliding_window }, { rng: random(2) }).eval(),
  );
  const ids = [
    [9, 1, 2, 3, 4],
    [1, 2, 3, 4, 5],
  ];
  const attentionMask = [
    [0, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
  ];
  const caches = [new KeyValueCache(), new KeyValueCache()];
  noGrad(() => {
    const outputs = [windowed, full].map((model, i) => {
      const cache = caches[i];
      const first = model.forward(ids, { attentionMask, cache }).toArray();
      const mask = attentionMask.map((row) => [...row, 1]);
      return [first, model.forward([[5], [6]], { attentionMask: mask, cache }).toArray()];
    });
    assert.equal(outputs[0], outputs[1]);
    const longer = attentionMask.map((row) => [...row, 1, 1]);
    const beyond = { attentionMask: longer, cache: caches[0] };
    assert.throws(
      () => windowed.forward([[5], [6]], beyond),
      /at most sliding_window tokens.*tokens 7, sliding_window 6/,
    );
    assert.instance(full.forward([[5], [6]], { ...beyond, cache: caches[1] }).shape, Array);
  });
});

test("masks of another shape or other numbers are refused, and a cache with padding wants its mask", () => {
  const refused = (
    kind: typeof ArgumentError | typeof ShapeError,
    message: RegExp,
    run: () => unknown,
  ): void => {
    try {
      run();
    } catch (error) {
      assert.instance(error, kind);
      assert.match((error as Error).message, message);
      return;
    }
    assert.unreachable(`refused: ${message}`);
  };
  const bert = new Bert({
    ...{ model_type: "bert", vocab_size: 11, hidden_size: 4, num_hidden_layers: 1, num_attention_heads: 1 },
    ...{ intermediate_size: 4, max_position_embeddings: 8, num_labels: 2 },
  });
  const models = [decoder(small), decoder({ ...small, architecture: "gpt2" }), bert];
  for (const model of models) {
    const forward = (attentionMask: number[][]) => () => model.forward([[1, 2, 3]], { attentionMask });
    refused(ShapeError, /attentionMask \[batch, time\], of 1 \(token\) and 0 \(padding\)/, forward([[1, 1]]));
    refused(
      ShapeError,
      /attentionMask \[batch, time\]/,
      forward([
        [1, 1, 1],
        [1, 1, 1],
      ]),
    );
    refused(ArgumentError, /attentionMask, 1 \(token\) or 0 \(padding\).*element 1 2/, forward([[1, 2, 1]]));
    refused(ArgumentError, /attentionMask.*element 0 -1/, forward([[-1, 0, 1]]));
    for (const bad of [null, [[true, true, true]], "111", [[0.5, 1, 1]]])
      refused(ArgumentError, /attentionMask, 1 .token. or 0 .padding.: expected/, forward(bad as never));
    if (model instanceof Bert) continue;
    refused(ShapeError, /loss: .*attentionMask/, () =>
      model.loss([[1, 2, 3]], undefined, { attentionMask: [[1, 1]] }),
    );
    noGrad(() => {
      const cache = new KeyValueCache();
      model.forward([[1, 2]], { cache, attentionMask: [[0, 1]] });
      refused(ArgumentError, /attentionMask .*since the cache holds padding/, () =>
        model.forward([[3]], { cache }),
      );
      const short = { cache, attentionMask: [[1]] };
      refused(ShapeError, /attentionMask \[batch, 2 in the cache \+ time\]/, () =>
        model.forward([[3]], short),
      );
      assert.equal(model.forward([[3]], { cache, attentionMask: [[0, 1, 1]] }).shape, [1, 1, VOCABULARY]);
    });
  }
});

test.run();
