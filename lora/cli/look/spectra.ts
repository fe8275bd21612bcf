/** @file The singular values of an adapter's layers as an SVG picture: a small chart for each layer, on one scale. */

/** What a chart shows. */
export interface LayerSpectrum {
  readonly name: string;
  /** Descending; null where they could not be computed. */
  readonly singularValues?: readonly number[] | null;
  readonly effectiveRank?: number | null;
}

const COLUMNS = 3;
const [WIDTH, CELL, ROW, TOP] = [780, 250, 104, 56];
const [CHART_WIDTH, CHART_HEIGHT] = [226, 52];

/** The picture: σᵢ of each layer as bars, as high as the number beside the largest of all layers. */
export function spectraPicture(title: string, layers: readonly LayerSpectrum[]): string {
  const most = Math.max(0, ...layers.map(({ singularValues }) => singularValues?.[0] ?? 0));
  const height = TOP + Math.ceil(layers.length / COLUMNS) * ROW + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}: singular values by layer">`,
    `<style>${style}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="12" y="24">${escaped(title)}</text>`,
    `<text class="note" x="12" y="42">singular values of ΔW by layer; the highest bar is ${short(most)}</text>`,
    ...layers.map((layer, i) =>
      chart(layer, most, 12 + (i % COLUMNS) * CELL, TOP + Math.floor(i / COLUMNS) * ROW),
    ),
    "</svg>\n",
  ].join("\n");
}

function chart(
  { name, singularValues, effectiveRank }: LayerSpectrum,
  most: number,
  x: number,
  y: number,
): string {
  const values = singularValues ?? [];
  const step = CHART_WIDTH / Math.max(1, values.length);
  const bars = values.map((value, i) => {
    const high = most > 0 ? (value / most) * CHART_HEIGHT : 0;
    const width = Math.max(0.5, Math.min(18, step * 0.8));
    return `<rect class="bar" x="${round(x + i * step)}" y="${round(y + 18 + CHART_HEIGHT - high)}" width="${round(width)}" height="${round(high)}"><title>σ${i + 1} ${short(value)}</title></rect>`;
  });
  const said =
    values.length === 0
      ? "no singular values"
      : `σ₁ ${short(values[0])}, effective rank ${short(effectiveRank ?? 0)} of ${values.length}`;
  const shown = name.length > 36 ? `…${name.slice(-35)}` : name;
  return [
    `<text class="name" x="${x}" y="${y + 12}">${escaped(shown)}<title>${escaped(name)}</title></text>`,
    ...bars,
    `<path class="axis" d="M${x} ${y + 18 + CHART_HEIGHT}h${CHART_WIDTH}"/>`,
    `<text class="note" x="${x}" y="${y + 18 + CHART_HEIGHT + 14}">${escaped(said)}</text>`,
  ].join("");
}

const style = `
svg{--page:#ffffff;--ink:#1f2328;--faint:#6b7280;--bar:#2563eb}
@media (prefers-color-scheme:dark){svg{--page:#0d1117;--ink:#e6edf3;--faint:#9198a1;--bar:#6ea8fe}}
.page{fill:var(--page)}text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
.title{font-size:15px;font-weight:600}.note{fill:var(--faint);font-size:11px}.bar{fill:var(--bar)}.axis{stroke:var(--faint);fill:none}
`;

const round = (n: number): number => Math.round(n * 10) / 10;

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** A text for XML, without the characters that it cannot have. */
const escaped = (text: string): string =>
  text
    .replace(/\p{Cc}|\p{Surrogate}/gu, "\ufffd")
    .replace(
      /[&<>"]/g,
      (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter] as string,
    );
