/** @file Finds citations (Eq. 3, §4.1, tables 2 and 3, appendix G) in a source, and the paper that each is of. */

import { type Paper, papers } from "./citations.ts";

export interface Citation {
  /** As the table of papers spells it: "Eq. 3", "§4.1", "Table 2", "Algorithm 1", "Appendix G", "Figure 3". */
  readonly label: string;
  /** The paper that it is of; undefined where none is named. */
  readonly paper?: Paper;
  /** The line on which it stands, from 1. */
  readonly line: number;
}

const kinds = [
  ["Eq. ", /[Ee]qs?\.|[Ee]quations?/],
  ["§", /§§?|[Ss]ections?/],
  ["Table ", /[Tt]ables?/],
  ["Algorithm ", /[Aa]lgorithms?|Alg\./],
  ["Appendix ", /[Aa]ppendix|[Aa]ppendices|App\./],
  ["Figure ", /[Ff]igures?|Figs?\./],
] as const;

const place = String.raw`(?:\d+(?:\.\d+)*|[A-Z]\b)`;
const joint = String.raw`\s?(?:,|–|and|to|or)\s?(?:and\s)?`;
const citation = new RegExp(
  String.raw`(?<![\w§.])(?:${kinds.map(([, words]) => `(${words.source})`).join("|")})(?<=§|[\s.]|\b)\s?(${place}(?:${joint}${place})*)(?![\w%])`,
  "g",
);

/** A paper's short name, standing alone: not the LoRA in QLoRA, LoRA+ or LoRA-FA. */
const named = ({ name }: Paper): string =>
  String.raw`(?<![\w-])${name.replace(/[.()+]/g, String.raw`\$&`)}(?![\w+]|-[A-Z])`;
const identified = ({ version }: Paper): string | undefined =>
  /^\d{4}\.\d{4,5}v\d+$/.test(version)
    ? version.replace(/v\d+$/, "").replace(".", String.raw`\.`)
    : undefined;

/** What introduces a paper, so that citations further on are of it. */
const introductions = papers.map((paper) => ({
  paper,
  pattern: new RegExp([identified(paper), paper.also?.source].filter(Boolean).join("|") || "(?!)", "g"),
}));
const beside = papers.map((paper) => {
  const any = [named(paper), identified(paper), paper.also?.source].filter(Boolean).join("|");
  return {
    paper,
    before: new RegExp(String.raw`(?:${any})(?:'s)?(?: paper(?:'s)?)?[,(\s]*(?:\d{4},\s)?$`),
    after: new RegExp(String.raw`^[\s,(]*(?:of|in) (?:${named(paper)})|^ \((?:${named(paper)})\)`),
  };
});

/** All citations of a source; `file` is its path, which decides where no paper is named near by. */
export function citationsIn(text: string, file: string): Citation[] {
  const plain = text.replace(/\n\s*(?:\*|\/\/)(?!\/)/g, (lineStart) => "\n".padEnd(lineStart.length));
  const met = introductions
    .flatMap(({ paper, pattern }) => Array.from(plain.matchAll(pattern), ({ index }) => ({ paper, index })))
    .sort((a, b) => a.index - b.index);
  const spoken = papers
    .flatMap((paper) =>
      Array.from(plain.matchAll(new RegExp(named(paper), "g")), ({ index }) => ({ paper, index })),
    )
    .sort((a, b) => a.index - b.index);
  const home = papers.find((paper) => paper.home?.some((path) => file.startsWith(path)));
  const ofNotebooks = file.startsWith("notebooks/");
  const found: Citation[] = [];
  for (const match of plain.matchAll(citation)) {
    const before = plain.slice(Math.max(0, match.index - 90), match.index).replace(/\s+/g, " ");
    const rest = plain
      .slice(match.index + match[0].length, match.index + match[0].length + 60)
      .replace(/\s+/g, " ");
    const paper =
      beside.find((one) => one.before.test(before))?.paper ??
      beside.find((one) => one.after.test(rest))?.paper ??
      (ofNotebooks ? home : undefined) ??
      (ofNotebooks ? spoken : met).findLast(({ index }) => index < match.index)?.paper ??
      home;
    const kind = kinds[match.slice(1).findIndex((word) => word !== undefined)][0];
    const line = text.slice(0, match.index).split("\n").length;
    for (const label of labelsOf(kind, match[kinds.length + 1])) {
      if (/[A-Z]$/.test(label) === (kind === "Appendix ")) found.push({ label, paper, line });
    }
  }
  return found;
}

/** "5–6" names 5 and 6, "8 to 10" also 9. */
function labelsOf(kind: string, places: string): string[] {
  const parts = places.split(/\s?(–|,|and|to|or)\s?(?:and\s)?/);
  return parts.flatMap((part, i) => {
    if (i % 2 === 1) return [];
    const range = parts[i - 1] === "–" || parts[i - 1] === "to";
    const [from, to] = [Number(parts[i - 2]), Number(part)];
    if (!range || !Number.isInteger(from) || !Number.isInteger(to)) return [kind + part];
    return Array.from({ length: to - from }, (_, step) => `${kind}${from + 1 + step}`);
  });
}
