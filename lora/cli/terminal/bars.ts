/** @file Small plots of text: a bar for a share, a row of bars for a list of numbers; and texts that are safe to print. */

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const heights = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/** A bar of `share` of `width` characters, in eighths of a character. A share that is not 0 is seen. */
export function bar(share: number, width: number): string {
  const part = Math.min(1, Math.max(0, share));
  const units = part > 0 ? Math.max(1, Math.round(part * width * 8)) : 0;
  return "█".repeat(Math.floor(units / 8)) + eighths[units % 8];
}

/**
 * A row of bars, one character a number, as high as the number beside the largest; a dot for 0. Of more numbers than
 * `width` each character shows the largest of its part of the list.
 */
export function sparkline(values: readonly number[], width = Infinity): string {
  const most = Math.max(0, ...values);
  const count = Math.min(values.length, width);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const value = Math.max(
      ...values.slice(from, Math.max(from + 1, Math.floor(((i + 1) * values.length) / count))),
    );
    if (!(value > 0)) return "·";
    return heights[Math.max(0, Math.ceil((value / most) * heights.length) - 1)];
  }).join("");
}

/** A text from a file for a terminal: control characters, which could move its cursor, become U+FFFD. */
export const printable = (text: string): string => text.replace(/\p{Cc}/gu, "\ufffd");
