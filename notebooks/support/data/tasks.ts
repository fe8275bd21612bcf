/**
 * @file Generated tasks of known structure, small enough for a tiny model. Each draws examples of a prompt and its
 * completion in printable ASCII. All randomness comes from the generator passed in.
 */

export interface Example {
  readonly prompt: string;
  /** The text that should follow the prompt; it ends with a line feed. */
  readonly completion: string;
}

/** A random generator as tasks need it: a uniform integer in 0 … n − 1. `random(seed)` is one. */
export interface Integers {
  integer(n: number): number;
}

export interface Task {
  readonly name: string;
  sample(random: Integers): Example;
}

/** `count` examples, drawn independently. */
export function examples(task: Task, count: number, random: Integers): Example[] {
  return Array.from({ length: count }, () => task.sample(random));
}

/**
 * Training and test examples without a repeated prompt, so that every test prompt is unseen.
 *
 * @throws RangeError if the task has too few prompts
 */
export function split(
  task: Task,
  { train, test }: { readonly train: number; readonly test: number },
  random: Integers,
): { train: Example[]; test: Example[] } {
  const drawn = new Map<string, Example>();
  for (let misses = 0; drawn.size < train + test; ) {
    const example = task.sample(random);
    misses = drawn.has(example.prompt) ? misses + 1 : 0;
    drawn.set(example.prompt, example);
    if (misses === 10_000) {
      throw new RangeError(
        `${task.name}: expected ${train + test} different prompts; found only ${drawn.size}`,
      );
    }
  }
  const all = [...drawn.values()];
  return { train: all.slice(0, train), test: all.slice(train) };
}

export type Operation = "+" | "-" | "*";

/** Arithmetic on two numbers below 10^digits: `17+5=` is completed by `22`. */
export function arithmetic({
  digits,
  operation,
}: {
  readonly digits: number;
  readonly operation: Operation;
}): Task {
  return {
    name: `arithmetic (${operation}, ${digits} digits)`,
    sample(random) {
      const a = random.integer(10 ** digits);
      const b = random.integer(10 ** digits);
      const answer = { "+": a + b, "-": a - b, "*": a * b }[operation];
      return { prompt: `${a}${operation}${b}=`, completion: `${answer}\n` };
    },
  };
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/**
 * Recall from the prompt: `b4 x9 m1 x?` is completed by `9`. The task needs a mechanism, attention that finds a key,
 * and no memory in the weights. At most 26 pairs.
 */
export function recall({ pairs }: { readonly pairs: number }): Task {
  if (!Number.isInteger(pairs) || pairs < 1 || pairs > 26) {
    throw new RangeError(`recall: expected pairs in 1 … 26; got ${pairs}`);
  }
  return {
    name: `recall (${pairs} pairs)`,
    sample(random) {
      const keys = shuffled([...LETTERS], random).slice(0, pairs);
      const values = keys.map(() => random.integer(10));
      const asked = random.integer(pairs);
      const list = keys.map((key, i) => `${key}${values[i]}`).join(" ");
      return { prompt: `${list} ${keys[asked]}?`, completion: `${values[asked]}\n` };
    },
  };
}

/** A task that only memory solves, with the information that must be stored. */
export interface Facts extends Task {
  readonly all: readonly Example[];
  /** Bits that must be stored to know every answer: log₂ 1000 for each fact. */
  readonly bits: number;
}

/**
 * `count` arbitrary facts, drawn once: `qvx?` is always completed by `407`. Nothing can be inferred, so the number of
 * recalled facts measures the capacity of an adapter in bits. At most 26³ facts.
 */
export function facts({ count }: { readonly count: number }, random: Integers): Facts {
  if (!Number.isInteger(count) || count < 1 || count > 26 ** 3) {
    throw new RangeError(`facts: expected count in 1 … ${26 ** 3}; got ${count}`);
  }
  const keys = new Set<string>();
  while (keys.size < count) keys.add(Array.from({ length: 3 }, () => pick([...LETTERS], random)).join(""));
  const all = [...keys].map((key) => {
    const value = String(random.integer(1000)).padStart(3, "0");
    return { prompt: `${key}?`, completion: `${value}\n` };
  });
  return {
    name: `facts (${count})`,
    all,
    bits: count * Math.log2(1000),
    sample: (source) => pick(all, source),
  };
}

function pick<T>(values: readonly T[], random: Integers): T {
  return values[random.integer(values.length)];
}

/** Fisher–Yates shuffle. */
function shuffled<T>(values: readonly T[], random: Integers): T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}
