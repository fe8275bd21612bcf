/** @file Text in a terminal: its width in columns, wrapping and padding. */

const segmenter = new Intl.Segmenter();

/** Characters that take two columns: East Asian ones and emoji. */
const WIDE =
  /^(?:\p{Emoji_Presentation}|.\u{fe0f}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u;

/** Width of `text` in columns; combining accents take none of their own. */
export function width(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of segmenter.segment(text)) columns += WIDE.test(segment) ? 2 : 1;
  return columns;
}

/** `text` filled up with spaces to `columns`. */
export function pad(text: string, columns: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, columns - width(text)));
  return align === "right" ? space + text : text + space;
}

/** The parts between which a line may break; a number stays together with its spread and with a percent sign. */
export function words(text: string): readonly string[] {
  return text.split(/ +(?![±%])(?<!± )/u).filter((word) => word !== "");
}

/** `text` in lines of at most `columns`, broken between words; a word that is longer continues on the next line. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words(text)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (width(longer) <= columns) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    const parts = pieces(word, columns);
    lines.push(...parts.slice(0, -1));
    line = parts.at(-1) as string;
  }
  if (line !== "" || lines.length === 0) lines.push(line);
  return lines;
}

function pieces(word: string, columns: number): readonly string[] {
  const parts = [""];
  for (const { segment } of segmenter.segment(word)) {
    const longer = parts.at(-1) + segment;
    if (width(longer) <= columns || parts.at(-1) === "") parts[parts.length - 1] = longer;
    else parts.push(segment);
  }
  return parts;
}
