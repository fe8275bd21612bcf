/**
 * @file Generation of rows of unequal length, as each of them alone; its steps one by one; stop strings; several samples of
 * a prompt; penalties; the end of the context.
 */

import * as fc from "fast-check";
import { noGrad, Tensor } from "lowrank/autograd";
import {
  ArgumentError,
  array,
  type IndexLike,
  type Indices,
  indices,
  liveBytes,
  random,
  ShapeError,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { inject } from "lowrank/lora";
import {
  byteTokenizer,
  checkpointBlocks,
  type DecodeOptions,
  GPT2,
  generate,
  generateTokens,
  type LanguageModel,
  Llama,
  Module,
  stopFilter,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fill } from "../support/on-device.ts";

const test = suite("generate, rows");

const VOCABULARY = 13;
const CONTEXT = 14;

/** Small models with random weights, large enough that every token matters. */
function decoder(kind: "gpt2" | "llama", seed: number): GPT2 | Llama {
  const rng = random(1);
  const model =
    kind === "gpt2"
      ? new GPT2(
          {
            model_type: "gpt2",
            vocab_size: VOCABULARY,
            n_positions: CONTEXT,
            n_embd: 8,
            n_layer: 2,
            n_head: 2,
          },
          { rng },
        )
      : new Llama(
          {
            ...{
              model_type: "llama",
              vocab_size: VOCABULARY,
              max_position_embeddings: CONTEXT,
              hidden_size: 8,
            },
            ...{ intermediate_size: 9, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
          },
          { rng },
        );
  fill(model, seed);
  return model;
}

const prompts = fc.array(fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 7 }), {
  minLength: 1,
  maxLength: 4,
});
const kind = fc.constantFrom("gpt2" as const, "llama" as const);

/** The prompts with padding of any id among them, of a common length, and the mask. */
function spread(rows: readonly number[][], seed: number): { ids: number[][]; attentionMask: number[][] } {
  const rng = random(seed);
  const time = Math.max(...rows.map((row) => row.length)) + rng.integer(3);
  const ids: number[][] = [];
  const attentionMask: number[][] = [];
  for (const row of rows) {
    const places = [...Array(time).keys()];
    const side = rng.integer(3); // padding on the left, on the right, or anywhere
    while (places.length > row.length)
      places.splice(side === 0 ? 0 : side === 1 ? places.length - 1 : rng.integer(places.length), 1);
    const [tokens, mask] = [places.map(() => 0), places.map(() => 0)];
    for (let t = 0; t < time; t++) {
      const at = places.indexOf(t);
      tokens[t] = at < 0 ? rng.integer(1000) : row[at];
      mask[t] = Number(at >= 0);
    }
    ids.push(tokens);
    attentionMask.push(mask);
  }
  return { ids, attentionMask };
}

test("in double precision, rows together are rows alone, token for token: a list, masks of any form", () => {
  fc.assert(
    fc.property(kind, prompts, fc.nat(9999), fc.boolean(), (kind, rows, seed, useCache) => {
      withPrecision("float64", () => {
        const model = decoder(kind, seed);
        const repetitionPenalty = [1, 1.3, 0.8][seed % 3];
        const options = { maxNewTokens: 7, stopTokens: [seed % VOCABULARY], useCache, repetitionPenalty };
        const alone = rows.map((row) => generate(model, [row], options).rows[0]);
        assert.equal(generate(model, rows, options).rows, alone);
        const { ids, attentionMask } = spread(rows, seed);
        assert.equal(generate(model, ids, { ...options, attentionMask }).rows, alone);
      });
    }),
    { numRuns: 35 },
  );
});

for (const device of ["cpu", "gpu:webasm"] as const) {
  test(`${device}: rows together are rows alone, but where two logits are equal up to rounding`, () => {
    withDevice(device, () =>
      fc.assert(
        fc.property(kind, prompts, fc.nat(9999), (kind, rows, seed) => {
          const model = decoder(kind, seed);
          const together = generate(model, rows, { maxNewTokens: 7 }).rows;
          for (const [i, row] of rows.entries()) {
            const alone = generate(model, [row], { maxNewTokens: 7 }).rows[0];
            const at = alone.findIndex((token, t) => token !== together[i][t]);
            if (at < 0) continue;
            const logits = noGrad(() =>
              model.eval().forward([alone.slice(0, at)], { lastOnly: true }),
            ).toArray();
            assert.ok(Math.abs(logits[alone[at]] - logits[together[i][at]]) < 1e-4, `row ${i}, token ${at}`);
          }
        }),
        { numRuns: device === "cpu" ? 35 : 4 },
      ),
    );
  });
}

test("rows with adapters of their own, and checkpointed blocks, continue as each alone", () => {
  withPrecision("float64", () => {
    for (const kind of ["gpt2", "llama"] as const) {
      const model = decoder(kind, 5);
      const adapted = inject(model, {
        method: "lora",
        rank: 2,
        target: "all-linear",
        init: "random",
        seed: 1,
      });
      adapted.addAdapter("b", { method: "lora", rank: 1, target: "all-linear", init: "random", seed: 2 });
      checkpointBlocks(model);
      const rows = [[1, 2, 3, 4], [5], [6, 7]];
      const names = ["default", null, "b"];
      const options = { maxNewTokens: 6 };
      const alone = rows.map((row, i) =>
        adapted.withRows([names[i]], () => generate(adapted, [row], options).rows[0]),
      );
      assert.equal(
        adapted.withRows(names, () => generate(adapted, rows, options).rows),
        alone,
      );
      assert.not.equal(alone, generate(adapted, rows, options).rows); // the adapters matter
    }
  });
});

test("the result has the prompts as given, new tokens on their right, and each row's own tokens", () => {
  const model = decoder("llama", 3);
  const ids = [
    [9, 9, 1, 2],
    [1, 2, 9, 9],
    [3, 4, 5, 6],
  ];
  const attentionMask = [
    [0, 0, 1, 1],
    [1, 1, 0, 0],
    [1, 1, 1, 1],
  ];
  const result = generate(model, ids, { maxNewTokens: 3, attentionMask });
  assert.equal(result.shape, [3, 7]);
  for (const row of [0, 1, 2]) {
    const all = [...result.data.subarray(row * 7, row * 7 + 7)];
    assert.equal(all.slice(0, 4), ids[row]);
    assert.equal(result.rows[row], [...ids[row].filter((_, t) => attentionMask[row][t]), ...all.slice(4)]);
  }
  assert.equal(result.rows[0], result.rows[1]);
  const list = generate(
    model,
    [
      [1, 2],
      [3, 4, 5, 6],
    ],
    { maxNewTokens: 3 },
  );
  assert.equal([...list.data], [0, 0, ...result.rows[0], ...result.rows[2]]);
  assert.equal(list.rows, [result.rows[0], result.rows[2]]);
  const again = generate(model, list.rows, { maxNewTokens: 2 }); // rows can be continued
  assert.equal(
    again.rows,
    generate(
      model,
      [
        [1, 2],
        [3, 4, 5, 6],
      ],
      { maxNewTokens: 5 },
    ).rows,
  );
  const arrays = generate(model, [Int32Array.of(1, 2), Int32Array.of(3, 4, 5, 6)], { maxNewTokens: 3 });
  assert.equal(arrays.rows, list.rows);
});

test("a row of padding only stays one and changes nothing else, samples included", () => {
  for (const kind of ["gpt2", "llama"] as const) {
    const model = decoder(kind, 4);
    for (const options of [{}, { temperature: 1, seed: 2 }]) {
      const without = generate(
        model,
        [
          [1, 2, 3],
          [7, 4, 5],
        ],
        {
          ...{
            maxNewTokens: 4,
            attentionMask: [
              [1, 1, 1],
              [0, 1, 1],
            ],
            ...options,
          },
        },
      );
      const result = generate(
        model,
        [
          [1, 2, 3],
          [8, 9, 10],
          [7, 4, 5],
        ],
        {
          ...{
            maxNewTokens: 4,
            attentionMask: [
              [1, 1, 1],
              [0, 0, 0],
              [0, 1, 1],
            ],
            ...options,
          },
        },
      );
      assert.equal(result.rows, [without.rows[0], [], without.rows[1]]);
      assert.equal([...result.data.subarray(7, 14)], [8, 9, 10, 10, 10, 10, 10]);
    }
    const nothing = generate(model, [[8, 9]], { maxNewTokens: 4, attentionMask: [[0, 0]] });
    assert.equal(nothing, { data: Int32Array.of(8, 9), shape: [1, 2], rows: [[]] });
  }
});

const ways = {
  greedy: {},
  sampled: { temperature: 1, seed: 3 },
  penalized: { repetitionPenalty: 1.5, topK: 4 },
  "several of each": { minP: 0.1, numReturnSequences: 3 },
  "with stop tokens": { temperature: 2, stopTokens: [1, 2] },
};

for (const [way, options] of Object.entries(ways)) {
  test(`${way}: the steps of generateTokens are the tokens of generate`, () => {
    const model = decoder("gpt2", 8);
    const rows = [[1, 2, 3], [4], [5, 6]];
    const all = generate(model, rows, { maxNewTokens: 8, ...options });
    const times = "numReturnSequences" in options ? options.numReturnSequences : 1;
    const collected = rows.flatMap((row) => Array.from({ length: times }, () => [...row]));
    for (const step of generateTokens(model, rows, { maxNewTokens: 8, ...options })) {
      assert.is(step.length, collected.length);
      for (const [i, token] of step.entries()) if (token !== null) collected[i].push(token);
    }
    assert.equal(collected, all.rows);
  });
}

test("between steps the model is as it was, nothing stays behind, and a generation may be left", () => {
  const model = decoder("llama", 2);
  model.train();
  const before = liveBytes().workspace;
  const sizes: number[] = [];
  for (const [token] of generateTokens(model, [[1, 2]], { maxNewTokens: 12 })) {
    assert.is(model.training, true);
    assert.ok(Number.isInteger(token));
    sizes.push(liveBytes().workspace - before);
    if (sizes.length === 11) break;
  }
  // The keys and values of two layers: [1, 2 heads, capacity 2, 4, 8 or 16, 2 wide] each, while they are alive.
  assert.ok(Math.max(...sizes) <= 2 * 2 * 2 * 16 * 2 * 4, sizes.join());
  assert.throws(() => generateTokens(model, [[1]], { maxNewTokens: -1 }), /generateTokens: .*maxNewTokens/);
  assert.throws(() => generateTokens(model, [[1], []], { maxNewTokens: 1 }), /prompt 1/);
});

/** After token i comes token table[i]. */
class Script extends Module implements LanguageModel {
  readonly contextLength: number = 40;
  readonly after: readonly number[];

  constructor(after: readonly number[]) {
    super();
    this.after = after;
  }

  forward(ids: IndexLike, _options?: DecodeOptions): Tensor {
    const { data, shape } = indices(ids) as Indices;
    const n = this.after.length;
    const rows = Array.from(data, (id) => this.after.map((_, token) => Number(token === this.after[id])));
    return new Tensor(array(rows.flat(), [...shape, n]));
  }
}

/** Tokens are the words of a list. */
const wordTokenizer = (words: readonly string[]) => ({
  decode: (ids: ArrayLike<number>): string => Array.from(ids, (id) => words[id]).join(""),
});

test("a row ends with the token in which a stop string is complete, wherever in the tokens it begins and ends", () => {
  const words = ["Once ", "upon a ti", "me th", "ere was", "."];
  const story = new Script([1, 2, 3, 4, 4]);
  const told = (stopStrings: string | string[], ids = [[0]]) =>
    generate(story, ids, {
      ...{ maxNewTokens: 6, useCache: false, stopStrings, tokenizer: wordTokenizer(words) },
    }).rows.map((row) => row.join(""));
  assert.equal(told("time"), ["012"]);
  assert.equal(told("a"), ["01"]);
  assert.equal(told(["was.", "there"]), ["0123"]);
  assert.equal(told(["....", "nothing"]), ["0123444"]); // four, over four tokens
  assert.equal(told("Once"), ["0123444"]); // the prompt does not count
  assert.equal(told(" upon"), ["0123444"]); //      nor a string that begins in it
  assert.equal(told("th", [[0], [2]]), ["012", "2344444"]);
  assert.equal(told("th", [[0, 1], [0]]), ["012", "012"]);
});

test("property: stop strings end a row where the text of all its new tokens first has one", () => {
  const letters = fc.constantFrom("a", "b", "é", "🌍");
  const text = (minLength: number, maxLength: number) =>
    fc.array(letters, { minLength, maxLength }).map((list) => list.join(""));
  fc.assert(
    fc.property(text(20, 60), fc.array(text(1, 4), { minLength: 1, maxLength: 3 }), (story, stops) => {
      const bytes = byteTokenizer.encode(story);
      class Recital extends Script {
        override readonly contextLength = 1000;
        override forward(ids: IndexLike): Tensor {
          const { shape } = indices(ids);
          const logits = new Float32Array(256);
          logits[bytes[shape[1] - 1] ?? 0] = 1;
          return new Tensor(array(logits, [1, 1, 256]));
        }
      }
      const tokens = generate(new Recital([]), [[32]], {
        ...{ maxNewTokens: bytes.length, useCache: false, stopStrings: stops, tokenizer: byteTokenizer },
      }).rows[0].slice(1);
      const has = (n: number): boolean => {
        const text = byteTokenizer.decode(bytes.subarray(0, n));
        return stops.some((stop) => text.includes(stop));
      };
      const ends = [...bytes.keys()].map((n) => n + 1).find(has) ?? bytes.length;
      assert.equal(tokens, [...bytes.subarray(0, ends)]);
    }),
    { numRuns: 35 },
  );
});

/** The text letter by letter, up to one with which a stop string is complete; without the longest of those. */
function textBefore(text: string, stops: readonly string[]): string {
  for (let n = 1; n <= text.length; n++) {
    const complete = stops.filter((stop) => text.slice(0, n).endsWith(stop));
    if (complete.length > 0) return text.slice(0, n - Math.max(...complete.map((stop) => stop.length)));
  }
  return text;
}

test("stopFilter lets through the text before the stop string that is complete first, in whatever pieces it comes", () => {
  const text = (minLength: number, maxLength: number) =>
    fc.array(fc.constantFrom("a", "b", "\n"), { minLength, maxLength }).map((list) => list.join(""));
  fc.assert(
    fc.property(
      fc.array(text(0, 4), { maxLength: 8 }),
      fc.array(text(1, 4), { maxLength: 3 }),
      (pieces, stops) => {
        const filter = stopFilter(stops);
        let out = "";
        let given = "";
        for (const piece of pieces) {
          given += piece;
          out += filter.push(piece);
          const whole = textBefore(given, stops);
          assert.is(filter.stopped, whole !== given);
          assert.ok(whole.startsWith(out));
          // What is held back is no more than the beginning of a stop string.
          const held = whole.slice(out.length);
          assert.ok(held === "" || (!filter.stopped && stops.some((stop) => stop.startsWith(held))));
        }
        assert.is(out + filter.end(), textBefore(given, stops));
      },
    ),
    { numRuns: 500 },
  );
});

/** How often each token follows 0 among n samples of these logits. */
function shares(logits: readonly number[], options: object, prompt = [[0]]): number[] {
  class Fixed extends Script {
    override forward(ids: IndexLike): Tensor {
      const { shape } = indices(ids);
      return new Tensor(
        array(Array.from({ length: shape[0] }, () => [...logits]).flat(), [shape[0], 1, logits.length]),
      );
    }
  }
  const n = 2000;
  const { rows } = generate(new Fixed([]), prompt, {
    ...{ maxNewTokens: 1, seed: 1, useCache: false, numReturnSequences: n, ...options },
  });
  const counts = logits.map(() => 0);
  for (const row of rows) counts[row.at(-1) as number]++;
  return counts.map((count) => count / n);
}

function follow(found: readonly number[], weights: readonly number[]): void {
  const total = weights.reduce((sum, w) => sum + w, 0);
  for (const [i, w] of weights.entries()) {
    const p = w / total;
    const deviation = Math.sqrt((p * (1 - p)) / 2000);
    assert.ok(Math.abs(found[i] - p) <= 5 * deviation, `token ${i}: ${found[i]}, expected ${p}`); // 0 stays 0
  }
}

test("property: top k and top p are what sorting all tokens gives, with ties and infinities, draw for draw", () => {
  const logit = fc.constantFrom(-Infinity, -3, -1, -0.5, -0, 0, 0.25, 1, 1, 2, Infinity);
  const options = fc.record({
    temperature: fc.constantFrom(undefined, 0.5, 2),
    topK: fc.constantFrom(undefined, 1, 2, 3, 5, 50),
    topP: fc.constantFrom(undefined, 0.1, 0.5, 0.9, 1),
    minP: fc.constantFrom(undefined, 0, 0.3, 1),
  });
  const compare = (a: number, b: number): number => (a === b ? 0 : b - a);
  type Draw = typeof options extends fc.Arbitrary<infer T> ? T : never;
  /** The definition: all tokens sorted, the first k, of these the first with p of the weight, of these those with minP. */
  const drawn = (logits: readonly number[], { temperature: T, topK, topP, minP }: Draw) => {
    const best = Math.max(...logits);
    const weight = (token: number): number =>
      logits[token] === best ? 1 : Math.exp((logits[token] - best) / (T ?? 1));
    const sum = (tokens: readonly number[]): number => tokens.reduce((all, token) => all + weight(token), 0);
    let tokens = [...logits.keys()];
    if (topK ?? topP) tokens.sort((a, b) => compare(logits[a], logits[b]) || a - b);
    tokens = tokens.slice(0, topK);
    const total = sum(tokens);
    const enough = tokens.findIndex((_, i) => sum(tokens.slice(0, i + 1)) >= (topP ?? 2) * total);
    if (enough >= 0) tokens = tokens.slice(0, enough + 1);
    tokens = tokens.filter((token) => weight(token) >= (minP ?? 0));
    let left = random(7).float() * sum(tokens);
    return tokens.find((token) => (left -= weight(token)) < 0) ?? logits.indexOf(best);
  };
  fc.assert(
    fc.property(fc.array(logit, { minLength: 1, maxLength: 12 }), options, (logits, options) => {
      fc.pre(
        logits.some((value) => value > -Infinity) && Object.values(options).some((x) => x !== undefined),
      );
      class Fixed extends Script {
        override forward(): Tensor {
          return new Tensor(array([...logits], [1, 1, logits.length]));
        }
      }
      const { rows } = generate(new Fixed([]), [[0]], {
        ...{ maxNewTokens: 1, seed: 7, useCache: false },
        ...options,
      });
      assert.is(rows[0][1], drawn(logits, options));
    }),
    { numRuns: 1000 },
  );
});

test("minP: only tokens so many times as probable as the most probable", () => {
  const logits = [0.5, 0.3, 0.15, 0.05].map(Math.log);
  follow(shares(logits, { minP: 0.25 }), [0.5, 0.3, 0.15, 0]);
  follow(shares(logits, { minP: 0.59 }), [0.5, 0.3, 0, 0]);
  follow(shares(logits, { minP: 1 }), [1, 0, 0, 0]);
  follow(shares(logits, { minP: 0 }), [0.5, 0.3, 0.15, 0.05]);
  follow(shares(logits, { minP: 0.25, temperature: 0.5 }), [0.25, 0.09, 0, 0]); // of the tempered: 0.0225 is 0.09 of 0.25
  follow(shares(logits, { minP: 0.25, topK: 2 }), [0.5, 0.3, 0, 0]);
});

test("repetitionPenalty divides positive logits of the row's tokens and multiplies negative ones, each once", () => {
  const logits = [2, -1, 1, 0];
  const weights = (penalized: readonly number[]) => penalized.map(Math.exp);
  follow(shares(logits, { temperature: 1, repetitionPenalty: 2 }, [[3]]), weights(logits)); // 0 stays 0
  follow(shares(logits, { temperature: 1, repetitionPenalty: 2 }, [[0, 1, 0]]), weights([1, -2, 1, 0]));
  follow(shares(logits, { temperature: 1, repetitionPenalty: 0.5 }, [[0, 1]]), weights([4, -0.5, 1, 0]));
  // Padding is no token of the row, whatever its id.
  const options = { temperature: 1, repetitionPenalty: 2, attentionMask: [[0, 0, 1]] };
  follow(shares(logits, options, [[0, 2, 1]]), weights([2, -2, 1, 0]));
  // Greedy, too: a cycle of 0 and 1, until both are penalized so much that the third comes.
  const model = new Script([1, 0, 2]);
  assert.equal(generate(model, [[0]], { maxNewTokens: 4, useCache: false, repetitionPenalty: 9 }).rows, [
    [0, 1, 0, 1, 0],
  ]);
});

test("numReturnSequences: the samples of a prompt stand together, in the order of the prompts", () => {
  const model = decoder("llama", 6);
  const options = { temperature: 1.5, seed: 3, maxNewTokens: 5 };
  const result = generate(model, [[1, 2], [3]], { ...options, numReturnSequences: 2 });
  const repeated = generate(model, [[1, 2], [1, 2], [3], [3]], options);
  assert.equal(result, repeated);
  assert.not.equal(result.rows[0], result.rows[1]);
});

test("stopAtContextEnd ends each row where its context is full, and without it more tokens are an error", () => {
  for (const kind of ["gpt2", "llama"] as const) {
    const model = decoder(kind, 1);
    const prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]];
    for (const useCache of [true, false]) {
      const options = { maxNewTokens: 1000, stopAtContextEnd: true, useCache };
      const all = generate(model, prompts, options);
      assert.equal(
        all.rows.map((row) => row.length),
        [CONTEXT, CONTEXT, CONTEXT],
      );
      const alone = prompts.map((prompt) => generate(model, [prompt], options).rows[0]);
      assert.equal(all.rows, alone);
      assert.equal(alone[0], generate(model, [prompts[0]], { maxNewTokens: CONTEXT - 3 }).rows[0]);
      assert.equal(all.shape, [3, 5 + CONTEXT - 1]); // the shortest has the most new tokens
    }
    const full = [Array.from({ length: CONTEXT }, (_, i) => i % VOCABULARY)];
    assert.equal(generate(model, full, { maxNewTokens: 5, stopAtContextEnd: true }).rows, full);
    const refused = (ids: number[][], stopAtContextEnd: boolean, message: RegExp): void =>
      assert.throws(() => generate(model, ids, { maxNewTokens: 12, stopAtContextEnd }), message);
    refused(
      [[1, 2, 3], [4]],
      false,
      /at most 14 tokens, the model's context; stopAtContextEnd: true ends there.*prompt 3/,
    );
    refused([[...full[0], 1]], true, /at most 14 tokens, the model's context.*prompt 15/);
  }
});

test("what makes no sense is refused with a sentence", () => {
  const model = decoder("gpt2", 1);
  const refused = (
    ids: unknown,
    options: object,
    message: RegExp,
    kind: new (...args: never[]) => Error = ArgumentError,
  ) =>
    assert.throws(
      () => generate(model, ids as never, { maxNewTokens: 1, ...options } as never),
      (e: Error) => e instanceof kind && message.test(e.message),
    );
  refused([[1, 2], []], {}, /a token in each prompt.*prompt 1/);
  refused([[], []], {}, /at least one token/, ShapeError);
  refused([[1, 2], [3]], { attentionMask: [[1, 1]] }, /prompts of unequal length need none/);
  refused([[1, 2], [3.5]], {}, /prompt 1: expected integers/);
  for (const none of ["ab", null]) refused(none, {}, /generate: ids: expected a list of integers/);
  refused([[1, 2], ["a"]], {}, /integers/);
  refused([[1, 2], [99]], {}, /0 to 12/);
  refused([[1, 2]], { attentionMask: [[1]] }, /attentionMask \[batch, time\]/, ShapeError);
  refused([[1, 2]], { attentionMask: [[1, 7]] }, /attentionMask, 1 \(token\) or 0 \(padding\)/);
  refused([[1]], { stopStrings: "a" }, /tokenizer/);
  refused([[1]], { stopStrings: "a", tokenizer: {} }, /tokenizer/);
  for (const stopStrings of ["", [""], [3], 3, null]) refused([[1]], { stopStrings }, /stopStrings a string/);
  for (const minP of [-0.1, 1.1, Number.NaN, "1"]) refused([[1]], { minP }, /0 ≤ minP ≤ 1/);
  for (const repetitionPenalty of [0, -1, Infinity, Number.NaN, "1"])
    refused([[1]], { repetitionPenalty }, /repetitionPenalty a positive number/);
  for (const n of [0, 1.5, "2"])
    refused([[1]], { numReturnSequences: n, topK: 2 }, /numReturnSequences a positive/);
  refused([[1]], { numReturnSequences: 2 }, /samples .* for numReturnSequences/);
  refused([[1]], { stopAtContextEnd: 1 }, /stopAtContextEnd true or false/);
  refused([[1]], { num_return_sequences: 2 }, /numReturnSequences/);
  refused([[1]], { min_p: 0.1 }, /minP/);
  refused([[1]], { repetition_penalty: 2 }, /repetitionPenalty/);
  refused([[1]], { attention_mask: [[1]] }, /attentionMask/);
  refused([[1]], { stop_strings: "a" }, /stopStrings/);
  refused([[1]], { pad_token_id: 0 }, /attentionMask/);
});

test.run();
