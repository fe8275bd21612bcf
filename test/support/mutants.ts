/** @file JSON values changed in one place: what a damaged or a hostile file might say. */

/** Values of every kind, and the edges of numbers. */
export const oddValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -1e308,
  1e-320,
  "",
  "abc",
  "NaN",
  [],
  [[]],
  [null],
  {},
  { key: "x" },
];

/** A value, and where and how it differs from the one it was made from. */
export interface Mutant {
  readonly value: unknown;
  readonly what: string;
}

/** Every value that differs from `value` in one node: replaced by an odd one, left out, doubled, or with a field more. */
export function* mutants(value: unknown, at = "value"): Generator<Mutant> {
  for (const odd of oddValues) yield { value: odd, what: `${at} = ${JSON.stringify(odd)}` };
  if (typeof value === "number")
    for (const near of [value + 1, value - 1, -value, `${value}`])
      yield { value: near, what: `${at} = ${JSON.stringify(near)}` };
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      for (const { value: other, what } of mutants(item, `${at}[${i}]`))
        yield { value: value.with(i, other), what };
      yield { value: value.toSpliced(i, 1), what: `${at} without [${i}]` };
      yield { value: value.toSpliced(i, 0, item), what: `${at}[${i}] twice` };
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      for (const { value: other, what } of mutants(item, `${at}.${name}`))
        yield { value: { ...value, [name]: other }, what };
      const { [name]: _, ...rest } = value as Record<string, unknown>;
      yield { value: rest, what: `${at} without ${name}` };
    }
    yield { value: { ...value, unknown: 1 }, what: `${at} with a field more` };
  }
}
