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
/** A kind, in the group of its number, and in the last group its places. `table6` is a variable: its word goes on. */
const citation = new RegExp(
  String.raw`(?<![\w§.])(?:${kinds.map(([, words]) => `(${words.source})`).join("|")})(?<=[§.]|\b)\s?(${place}(?:${joint}${place})*)(?![\w%])`,
  "g",
);

/** A paper's short name standing alone: not the LoRA in QLoRA, LoRA+ or LoRA-FA. */
const shortName = ({ name }: Paper): string =>
  String.raw`(?<![\w-])${name.replace(/[.()+]/g, String.raw`\$&`)}(?![\w+]|-[A-Z])`;

/** What introduces a paper: its identifier, or its authors with the year. */
function introduction({ version, also }: Paper): string {
  const [identifier] = /^\d{4}\.\d{4,5}(?=v)/.exec(version) ?? [];
  return [identifier?.replace(".", String.raw`\.`), also?.source].filter(Boolean).join("|") || "(?!)";
}

const known = papers.map((paper) => {
  const any = `${shortName(paper)}|${introduction(paper)}`;
  return {
    paper,
    introduced: new RegExp(introduction(paper), "g"),
    mentioned: new RegExp(shortName(paper), "g"),
    before: new RegExp(String.raw`(?:${any})(?:'s)?(?: paper(?:'s)?)?[,(\s]*(?:\d{4},\s)?$`),
    after: new RegExp(String.raw`^[\s,(]*(?:of|in) (?:${shortName(paper)})|^ \((?:${shortName(paper)})\)`),
  };
});

/**
 * All citations of a source. A citation is of the paper named right beside it; in the library else of the last one
 * introduced above it; in a notebook else of the notebook's own, or where it has none, of the last one mentioned.
 *
 * @param file the path of the source, which tells whose notebook it is
 */
export function citationsIn(text: string, file: string): Citation[] {
  // The stars and slashes of comments become spaces, so that a citation may go over the end of a line.
  const plain = text.replace(/\n\s*(?:\*|\/\/)(?!\/)/g, (lineStart) => "\n".padEnd(lineStart.length));
  const home = papers.find((paper) => paper.home?.some((path) => file.startsWith(path)));
  const isNotebook = file.startsWith("notebooks/");
  const named = known
    .flatMap(({ paper, introduced, mentioned }) =>
      Array.from(plain.matchAll(isNotebook ? mentioned : introduced), ({ index }) => ({ paper, index })),
    )
    .sort((a, b) => a.index - b.index);
  return Array.from(plain.matchAll(citation)).flatMap((match) => {
    const end = match.index + match[0].length;
    const before = plain.slice(Math.max(0, match.index - 90), match.index).replace(/\s+/g, " ");
    const after = plain.slice(end, end + 60).replace(/\s+/g, " ");
    const beside = known.find((one) => one.before.test(before)) ?? known.find((one) => one.after.test(after));
    const above = named.findLast(({ index }) => index < match.index);
    const paper = beside?.paper ?? (isNotebook ? (home ?? above?.paper) : (above?.paper ?? home));
    const [kind] = kinds[match.slice(1).findIndex((word) => word !== undefined)];
    const line = text.slice(0, match.index).split("\n").length;
    return labelsOf(kind, match[kinds.length + 1]).map((label) => ({ label, paper, line }));
  });
}

/** "5–6" names 5 and 6, "8 to 10" also 9. Appendices have letters, everything else numbers. */
function labelsOf(kind: string, places: string): string[] {
  const parts = places.split(/\s?(–|,|and|to|or)\s?(?:and\s)?/);
  const labels = parts.flatMap((part, i) => {
    if (i % 2 === 1) return [];
    const isRange = parts[i - 1] === "–" || parts[i - 1] === "to";
    const [from, to] = [Number(parts[i - 2]), Number(part)];
    if (!isRange || !Number.isInteger(from) || !Number.isInteger(to)) return [part];
    return Array.from({ length: to - from }, (_, step) => `${from + 1 + step}`);
  });
  return labels
    .filter((label) => /[A-Z]/.test(label) === (kind === "Appendix "))
    .map((label) => kind + label);
}
