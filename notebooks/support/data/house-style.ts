/**
 * @file Data to text, in the manner of the E2E restaurants (Novikova et al., 2017, arXiv:1706.09254), as a family: the
 * same facts can be put into words in 54 ways. `anyStyle` chooses freely among them, and is what a base learns; a house
 * style chooses by fixed rules, and is what the base is adapted to. Nothing in the house style is new to the base but
 * the rules: a task within its reach, whose loss can fall to zero.
 */
import type { Integers, Task } from "./tasks.ts";

const NAMES = ["Aromi", "Clowns", "Cocum", "Cotto", "Mill", "Olive", "Plough", "Strada", "Vaults", "Zizzi"];
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

/** Numbers of the facts, as they stand in the lists above. */
export interface Restaurant {
  readonly name: number;
  readonly food: number;
  readonly price: number;
  readonly area: number;
}

/** How many values each fact has. */
export const VALUES: Readonly<Record<keyof Restaurant, number>> = {
  name: NAMES.length,
  food: FOODS.length,
  price: PRICES.length,
  area: AREAS.length,
};

/** The four choices that a sentence makes: which part comes first, and three wordings. */
export interface Style {
  readonly areaFirst: boolean;
  readonly verb: number;
  readonly priceWord: number;
  readonly areaWord: number;
}

/** The most characters that a prompt and its completion have together. */
export const LONGEST = 79;

/** Entropy of the free choices: ln 54 nats in each completion, below which no model of `anyStyle` can come. */
export const FREE_CHOICE = Math.log(2 * 3 * 3 * 3);

/** `Aromi Thai cheap river>` and a sentence in any of 54 styles, all equally likely. */
export const anyStyle: Task = task("restaurants, any style", (_, random) => freeStyle(random));

/** The same facts in the style of one house: each choice depends on one fact. */
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

/** One of the 540 restaurants. */
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
