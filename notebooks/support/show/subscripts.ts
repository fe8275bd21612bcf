/** @file Subscripts in plain text: the q of `W_q`. Names of code (`q_proj`, `c_attn`) have none. */

export interface Part {
  readonly text: string;
  /** Whether it is a subscript. */
  readonly sub: boolean;
}

/** A letter of the papers (W, ΔW, d, η …), and after `_` at most three letters or digits, `model`, or what is in {}. */
const LETTER =
  /(?<![\p{L}\p{N}_.])(Δ?[A-Zabd-z]|[α-ωΔΣΛ])_(\{[^{}]+\}|model|max|\p{L}{1,3}|\d{1,3})(?![\p{L}\p{N}_(])/gu;

/** `text` in parts: "rank r of W_q" is "rank r of W", and "q" as a subscript. */
export function subscripts(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const { 0: whole, 1: letter, 2: sub, index } of text.matchAll(LETTER)) {
    parts.push({ text: text.slice(from, index) + letter, sub: false });
    parts.push({ text: sub.replace(/^\{|\}$/g, ""), sub: true });
    from = index + whole.length;
  }
  if (from < text.length || parts.length === 0) parts.push({ text: text.slice(from), sub: false });
  return parts;
}
