/**
 * @file Classification in the manner of GLUE (Wang et al., 2018, arXiv:1804.07461), about the restaurants of
 * `house-style.ts`, so that a base pretrained on `anyStyle` knows every word and has the tasks within its reach. Two
 * classes each, equally likely. The paper's names and columns: `sentiment` stands in SST-2's place, `acceptability` in
 * CoLA's, `entailment` in that of MNLI and RTE.
 */
import { anyRestaurant, factsOf, freeStyle, type Restaurant, sentence, VALUES } from "./house-style.ts";
import type { Integers, Task } from "./tasks.ts";

/** The most characters that a prompt and its completion have together. */
export const LONGEST = 80;

/** `Aromi serves budget Thai by the river.` asks for `good`, and a high price in any wording for `bad`. */
export const sentiment: Task = {
  name: "sentiment",
  sample(random) {
    const good = random.integer(2) === 1;
    const restaurant = { ...anyRestaurant(random), price: good ? CHEAP : PRICEY };
    return { prompt: sentence(restaurant, freeStyle(random)), completion: good ? "good\n" : "bad\n" };
  },
};

/** A sentence asks for `yes`, one in which two words have changed places for `no`. */
export const acceptability: Task = {
  name: "acceptability",
  sample(random) {
    const whole = random.integer(2) === 1;
    const text = sentence(anyRestaurant(random), freeStyle(random));
    return { prompt: whole ? text : corrupted(text, random), completion: yesOrNo(whole) };
  },
};

/** `Aromi Thai cheap river>Aromi cooks budget Thai riverside.` asks for `yes`, a sentence about another place for `no`. */
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

/** A restaurant that agrees with this one in nothing. */
function another(restaurant: Restaurant, random: Integers): Restaurant {
  const other = (fact: keyof Restaurant): number =>
    (restaurant[fact] + 1 + random.integer(VALUES[fact] - 1)) % VALUES[fact];
  return { name: other("name"), food: other("food"), price: other("price"), area: other("area") };
}
