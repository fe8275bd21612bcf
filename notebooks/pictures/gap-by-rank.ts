/**
 * @file The README's picture, from the numbers of the committed notebook claims.ipynb: how much of what full fine-tuning
 * gains LoRA gains too, by rank. `npm run pictures` writes it, for light and for dark pages.
 */

import { join } from "node:path";
import * as Plot from "@observablehq/plot";
import { tablesIn } from "../support/check/tables.ts";
import { readNotebook } from "../support/gallery/notebook.ts";
import { renderSvg } from "../support/plots/plot-image.ts";

const TABLE = "LoRA on all linear layers, by rank";

/** What the two shifts of the notebook are, and where their lines have room for it. */
const shifts = [
  { shift: "near", words: "to a style of a known task", rank: 1.04, share: 97.3, anchor: "start" },
  { shift: "far", words: "from code to English prose", rank: 6, share: 84, anchor: "start" },
] as const;

interface Point {
  readonly shift: string;
  readonly rank: number;
  /** Percent of the gap between the base and full fine-tuning that is closed, and its deviation over the seeds. */
  readonly mean: number;
  readonly std: number;
}

/** Colours of a page: its text, and the two lines. */
interface Colours {
  readonly text: string;
  readonly near: string;
  readonly far: string;
}

const pages: Readonly<Record<string, Colours>> = {
  light: { text: "#1f2328", near: "#0969da", far: "#bc4c00" },
  dark: { text: "#e6edf3", near: "#58a6ff", far: "#f0883e" },
};

/** The pictures, by their paths in the checkout. */
export async function pictures(): Promise<Readonly<Record<string, string>>> {
  const points = await pointsOf(join("notebooks", "claims.ipynb"));
  return Object.fromEntries(
    Object.entries(pages).map(([page, colours]) => [
      `notebooks/pictures/gap-by-rank-${page}.svg`,
      `${draw(points, colours)}\n`,
    ]),
  );
}

async function pointsOf(notebook: string): Promise<Point[]> {
  const table = tablesIn(await readNotebook(notebook)).find(({ title }) => title === TABLE);
  if (!table) throw new Error(`${notebook}: there is no table "${TABLE}"`);
  const [shift, rank, gap] = ["shift", "rank", "gap closed"].map((name) => table.header.indexOf(name));
  return table.rows.map((row) => {
    const [mean, std] = (row[gap] as string).split(" ± ").map((number) => 100 * Number(number));
    return { shift: row[shift] as string, rank: Number(row[rank]), mean, std };
  });
}

function draw(points: readonly Point[], { text, ...colours }: Colours): string {
  const ranks = [...new Set(points.map(({ rank }) => rank))];
  const [least, most] = [Math.min(...ranks), Math.max(...ranks)];
  const svg = renderSvg(
    {
      options: {
        width: 640,
        height: 320,
        marginTop: 36,
        marginLeft: 52,
        marginRight: 16,
        marginBottom: 48,
        ariaLabel: "What LoRA gains of what full fine-tuning gains, by rank",
        x: { type: "log", domain: [least, most] },
        y: {
          domain: [70, 103],
          ticks: [70, 80, 90, 100],
          tickFormat: (y: number) => `${y} %`,
          tickSize: 0,
          grid: true,
          label: "share of the gain of full fine-tuning",
          labelArrow: "none",
        },
        color: { domain: shifts.map(({ shift }) => shift), range: [colours.near, colours.far] },
        marks: [
          Plot.axisX(ranks, {
            text: String,
            tickSize: 0,
            label: `rank r of the update ΔW = B A (full rank: 64)`,
            labelArrow: "none",
            labelAnchor: "center",
          }),
          Plot.ruleY([100], { stroke: text, strokeDasharray: "4 4", strokeOpacity: 0.6 }),
          Plot.ruleX(points, {
            x: "rank",
            y1: (p) => p.mean - p.std,
            y2: (p) => p.mean + p.std,
            stroke: "shift",
            strokeOpacity: 0.5,
          }),
          Plot.line(points, { x: "rank", y: "mean", stroke: "shift", strokeWidth: 2 }),
          Plot.dot(points, { x: "rank", y: "mean", fill: "shift", r: 3.5 }),
          ...shifts.map(({ shift, words, rank, share, anchor }) =>
            Plot.text([words], { x: rank, y: share, fill: colours[shift], textAnchor: anchor }),
          ),
        ],
      },
    },
    { fontSize: 13 },
  );
  // renderSvg draws on white; here the page shows through. The style sheet is for pages around an SVG.
  return svg.replace("background: white; color: black", `color: ${text}`).replace(/<style>.*<\/style>/s, "");
}
