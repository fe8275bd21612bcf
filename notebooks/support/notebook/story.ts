/** @file The order of the notebooks: that of a story, for lists, cards and the links to the next page. */

export const STORY: readonly string[] = [
  "tour",
  "lora",
  "qlora",
  "adalora",
  "lora-plus",
  "dora",
  "lora-fa",
  "lora-family",
  "compare",
  "lora-without-regret",
  "forgetting",
  "claims",
  "errata",
];

/** Compares names of notebooks by the story; those that are not in it come last, by name. */
export function inStory(a: string, b: string): number {
  const [i, j] = [a, b].map((name) => (STORY.indexOf(name) + STORY.length + 1) % (STORY.length + 1));
  return i - j || (a < b ? -1 : a > b ? 1 : 0);
}
