/**
 * @file Data-to-text tasks in the manner of the E2E restaurants (Novikova et al., 2017, arXiv:1706.09254). The same
 * facts can be put into words in 54 ways. `anyStyle` chooses freely among them; a base is pretrained on it. `houseStyle`
 * chooses by fixed rules; the base is adapted to it. Only the rules are new to the base, so the loss can fall to zero.
 */
import type { Integers, Task } from "./tasks.ts";

// biome-ignore format: eight in a line
const NAMES = [
  "Aromi", "Bistro", "Browns", "Clowns", "Cocum", "Cotto", "Drake", "Eagle",
  "Falcon", "Fyne", "Garden", "Grove", "Heron", "Ivy", "Jasper", "Kings",
  "Lotus", "Mill", "Nelson", "Olive", "Orchid", "Plough", "Punter", "Queens",
  "Raven", "Spice", "Strada", "Tulip", "Vaults", "Willow", "Yard", "Zizzi",
];
const FOODS = ["Chinese", "English", "French", "Indian", "Italian", "Thai"];
const PRICES = ["cheap", "modest", "pricey"] as const;
const AREAS = ["centre", "river", "docks"] as const;

const VERBS = ["offers", "serves", "cooks"];
const PRICE_WORDS = {
  cheap: ["cheap", "budget", "low-cost"],
  modest: ["modest", "fair", "mid-price"],
  pricey: ["pricey", "upmarket", "high-end"],
};
const AREA_WORDS = {
  centre: ["in the centre", "downtown", "in town"],
  river: ["by the river", "riverside", "near the water"],
  docks: ["at the docks", "dockside", "near the port"],
};

/** Each fact as an index into its list above. */
export interface Restaurant {
  readonly name: number;
  readonly food: number;
  readonly price: number;
  readonly area: number;
}

/** Number of values of each fact. */
export const VALUES: Readonly<Record<keyof Restaurant, number>> = {
  name: NAMES.length,
  food: FOODS.length,
  price: PRICES.length,
  area: AREAS.length,
};

/** The four choices in a sentence: the part that comes first, and three wordings. */
export interface Style {
  readonly areaFirst: boolean;
  readonly verb: number;
  readonly priceWord: number;
  readonly areaWord: number;
}

/** Largest number of characters of a prompt and its completion together. */
export const LONGEST = 79;

/** Entropy of the free choices, ln 54 nats in each completion: no model of `anyStyle` has a lower loss. */
export const FREE_CHOICE = Math.log(2 * 3 * 3 * 3);

/** The prompt `Aromi Thai cheap river>`, completed by a sentence in any of 54 equally likely styles. */
export const anyStyle: Task = task("restaurants, any style", (_, random) => freeStyle(random));

/** The same prompts, completed in the style of one house: each choice is determined by one fact. */
export const houseStyle: Task = task("restaurants, house style", ({ food, price, area }) => ({
  areaFirst: area === 1,
  verb: food % 3,
  priceWord: (price + 1) % 3,
  areaWord: (2 * area + 1) % 3,
}));

function task(name: string, choose: (restaurant: Restaurant, random: Integers) => Style): Task {
  return {
    name,
    sample(random) {
      const restaurant = anyRestaurant(random);
      const style = choose(restaurant, random);
      return { prompt: factsOf(restaurant), completion: `${sentence(restaurant, style)}\n` };
    },
  };
}

/** One of the 1,728 restaurants. */
export function anyRestaurant(random: Integers): Restaurant {
  return {
    name: random.integer(VALUES.name),
    food: random.integer(VALUES.food),
    price: random.integer(VALUES.price),
    area: random.integer(VALUES.area),
  };
}

/** One of the 54 styles. */
export function freeStyle(random: Integers): Style {
  return {
    areaFirst: random.integer(2) === 1,
    verb: random.integer(3),
    priceWord: random.integer(3),
    areaWord: random.integer(3),
  };
}

/** `Aromi Thai cheap river>` */
export function factsOf({ name, food, price, area }: Restaurant): string {
  return `${NAMES[name]} ${FOODS[food]} ${PRICES[price]} ${AREAS[area]}>`;
}

/** `by the river: Aromi serves budget Thai.` */
export function sentence({ name, food, price, area }: Restaurant, style: Style): string {
  const what = `${PRICE_WORDS[PRICES[price]][style.priceWord]} ${FOODS[food]}`;
  const where = AREA_WORDS[AREAS[area]][style.areaWord];
  const who = `${NAMES[name]} ${VERBS[style.verb]}`;
  return style.areaFirst ? `${where}: ${who} ${what}.` : `${who} ${what} ${where}.`;
}
