/** @file Plain text as data: reduced to ASCII, divided for training and validation. */
export interface HoldOut {
  /** Characters of a block. @default 2000 */
  readonly block?: number;
  /** One block of so many is held out. @default 10 */
  readonly every?: number;
}

/** Divides a text into a training and a validation part, in turns of blocks, so that both represent the whole text. */
export function holdOut(
  text: string,
  { block = 2000, every = 10 }: HoldOut = {},
): { train: string; validation: string } {
  const parts = { train: "", validation: "" };
  for (let start = 0, i = 1; start < text.length; start += block, i++) {
    parts[i % every === 0 ? "validation" : "train"] += text.slice(start, start + block);
  }
  return parts;
}

const TYPOGRAPHY: Readonly<Record<string, string>> = {
  "‘": "'",
  "’": "'",
  "“": '"',
  "”": '"',
  "–": "-",
  "—": "-",
  "…": "...",
  "→": "->",
  "×": "x",
  "\u00a0": " ",
};

/** Replaces typographic signs by similar ASCII, removes accents, turns tabs into spaces, and drops all other characters. */
export function toAscii(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/\t/g, "  ")
    .replace(/[^\n -~]/g, (sign) => TYPOGRAPHY[sign] ?? sign.normalize("NFKD"))
    .replace(/[^\n -~]/g, "");
}
