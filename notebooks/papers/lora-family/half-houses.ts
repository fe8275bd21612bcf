/** @file Two halves of the house's style: each fixes two of the four choices in a sentence and leaves the others free. */
import {
  anyRestaurant,
  factsOf,
  freeStyle,
  type Restaurant,
  type Style,
  sentence,
} from "../../support/data/house-style.ts";
import type { Task } from "../../support/data/tasks.ts";

/** The rules of the house, as in `houseStyle`. */
const rules = ({ food, price, area }: Restaurant): Style => ({
  areaFirst: area === 1,
  verb: food % 3,
  priceWord: (price + 1) % 3,
  areaWord: (2 * area + 1) % 3,
});

function half(name: string, fixed: readonly (keyof Style)[]): Task {
  return {
    name,
    sample(random) {
      const restaurant = anyRestaurant(random);
      const [free, house] = [freeStyle(random), rules(restaurant)];
      const style = { ...free, ...Object.fromEntries(fixed.map((choice) => [choice, house[choice]])) };
      return { prompt: factsOf(restaurant), completion: `${sentence(restaurant, style)}\n` };
    },
  };
}

/** The wordings of the verb and the price are the house's; the order and the place are free. */
export const words = half("the house's words", ["verb", "priceWord"]);

/** The order and the wording of the place are the house's; the verb and the price are free. */
export const places = half("the house's places", ["areaFirst", "areaWord"]);

const SHOWN: Restaurant = { name: 0, food: 5, price: 0, area: 1 };

/** A restaurant, and how the house puts it. */
export const example = { prompt: factsOf(SHOWN), house: sentence(SHOWN, rules(SHOWN)) };
