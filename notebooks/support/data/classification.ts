/**
 * @file Three classification tasks in the manner of GLUE (Wang et al., 2018, arXiv:1804.07461) about the restaurants of
 * `house-style.ts`, so that a base pretrained on `anyStyle` knows every word and can learn the tasks. Each has two
 * equally likely classes. `sentiment` takes the place of SST-2, `acceptability` of CoLA, `entailment` of MNLI and RTE.
 */
import { anyRestaurant, factsOf, freeStyle, type Restaurant, sentence, VALUES } from "./house-style.ts";
import type { Integers, Task } from "./tasks.ts";

/** Largest number of characters of a prompt and its completion together. */
export const LONGEST = 80;

/** The completion is `good` for a low price (`Aromi serves budget Thai by the river.`), `bad` for a high one. */
export const sentiment: Task = {
  name: "sentiment",
  sample(random) {
    const good = random.integer(2) === 1;
    const restaurant = { ...anyRestaurant(random), price: good ? CHEAP : PRICEY };
    return { prompt: sentence(restaurant, freeStyle(random)), completion: good ? "good\n" : "bad\n" };
  },
};

/** The completion is `yes` for a sentence, `no` for one in which two words are exchanged. */
export const acceptability: Task = {
  name: "acceptability",
  sample(random) {
    const whole = random.integer(2) === 1;
    const text = sentence(anyRestaurant(random), freeStyle(random));
    return { prompt: whole ? text : corrupted(text, random), completion: yesOrNo(whole) };
  },
};

/**
 * The completion is `yes` for a sentence that follows from the facts, `Aromi Thai cheap river>Aromi cooks budget Thai
 * riverside.`, and `no` for a sentence about another restaurant.
 */
export const entailment: Task = {
  name: "entailment",
  sample(random) {
    const follows = random.integer(2) === 1;
    const restaurant = anyRestaurant(random);
    const said = follows ? restaurant : another(restaurant, random);
    const prompt = factsOf(restaurant) + sentence(said, freeStyle(random));
    return { prompt, completion: yesOrNo(follows) };
  },
};

const CHEAP = 0;
const PRICEY = 2;

function yesOrNo(yes: boolean): string {
  return yes ? "yes\n" : "no\n";
}

function corrupted(text: string, random: Integers): string {
  const words = text.split(" ");
  const first = random.integer(words.length);
  const second = (first + 1 + random.integer(words.length - 1)) % words.length;
  [words[first], words[second]] = [words[second], words[first]];
  return words.join(" ");
}

/** A restaurant that differs from this one in every fact. */
function another(restaurant: Restaurant, random: Integers): Restaurant {
  const other = (fact: keyof Restaurant): number =>
    (restaurant[fact] + 1 + random.integer(VALUES[fact] - 1)) % VALUES[fact];
  return { name: other("name"), food: other("food"), price: other("price"), area: other("area") };
}
