/** @file Houses with fewer rules than the house of `houseStyle`, for the question what the rank of an update counts. */
import {
  anyRestaurant,
  factsOf,
  houseStyle,
  type Restaurant,
  type Style,
  sentence,
} from "../../support/data/house-style.ts";
import type { Task } from "../../support/data/tasks.ts";
import { NotebookError } from "../../support/terminal/errors.ts";

/** The house's rules, in the order in which simpler houses have them: each choice is determined by one fact. */
const RULES = {
  verb: ({ food }) => food % 3,
  priceWord: ({ price }) => (price + 1) % 3,
  areaWord: ({ area }) => (2 * area + 1) % 3,
  areaFirst: ({ area }) => area === 1,
} satisfies { [K in keyof Style]: (restaurant: Restaurant) => Style[K] };

/** What a house without a rule always chooses. */
const ALWAYS: Style = { verb: 1, priceWord: 1, areaWord: 1, areaFirst: false };

/** The house with the first `count` of the four rules, 0 … 4; with all four it is `houseStyle`. */
export function houseWithRules(count: number): Task {
  if (!Number.isInteger(count) || count < 0 || count > 4)
    throw new NotebookError(`rules: expected 0 … 4 rules; got ${count}`);
  if (count === 4) return houseStyle;
  const kept = Object.entries(RULES).slice(0, count);
  return {
    name: `restaurants, ${count} rules`,
    sample(random) {
      const restaurant = anyRestaurant(random);
      const style = {
        ...ALWAYS,
        ...Object.fromEntries(kept.map(([choice, rule]) => [choice, rule(restaurant)])),
      };
      return { prompt: factsOf(restaurant), completion: `${sentence(restaurant, style)}\n` };
    },
  };
}

/** The same house, always by the rules above, so that a test can hold them against `houseStyle`. */
export const byRules = (restaurant: Restaurant): Style => ({
  verb: RULES.verb(restaurant),
  priceWord: RULES.priceWord(restaurant),
  areaWord: RULES.areaWord(restaurant),
  areaFirst: RULES.areaFirst(restaurant),
});
