import * as Plot from "@observablehq/plot";
import { Resvg } from "@resvg/resvg-js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { meanStd } from "../../notebooks/support/show/format.ts";
import { barPlot, heatmap, linePlot, type Picture, plot } from "../../notebooks/support/show/plot.ts";
import { canDrawText, renderPng, renderSvg } from "../../notebooks/support/show/plot-image.ts";
import { textBars, textHeat, textLines } from "../../notebooks/support/show/plot-text.ts";

const plots = suite("plots");

const rows = [1, 2, 4, 8].flatMap((r) =>
  ["LoRA", "DoRA & co"].map((method) => ({ r, method, loss: meanStd([3 - r / 10, 3.1 - r / 10]) })),
);
const pictures: Record<string, Picture> = {
  line: linePlot(rows, { x: "r", y: "loss", series: "method", xScale: "log", title: "Loss <r>" }),
  bar: barPlot(rows.slice(0, 3), { label: "r", value: "loss" }),
  heat: heatmap(rows, { x: "r", y: "method", value: "loss" }),
  any: plot(
    { marks: [Plot.lineY([1, 2, 3], { marker: true, title: () => "a<b&c" })] },
    { text: "three points" },
  ),
};

for (const [name, picture] of Object.entries(pictures)) {
  plots(`${name}: one well-formed SVG, and text; PNG where there is a font`, () => {
    const { "image/svg+xml": svg, "image/png": png, "text/plain": text } = picture.toMime();
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    new Resvg(svg); // its XML parser is strict
    assert.ok(text.length > 0);
    assert.is(png !== undefined, canDrawText());
    if (png) assert.is(Buffer.from(png, "base64").toString("latin1", 1, 4), "PNG");
  });

  plots(`${name}: drawn again, the bytes are the same`, () => {
    assert.equal(picture.toMime(), picture.toMime());
  });
}

plots("a log scale labels every rank", () => {
  const ranks = [1, 2, 4, 8, 16, 32, 64].map((r) => ({ r, y: 1 }));
  const { "image/svg+xml": svg } = linePlot(ranks, { x: "r", y: "y", xScale: "log" }).toMime();
  const labels = Array.from(svg.matchAll(/<text[^>]*>(\d+)<\/text>/g), ([, label]) => label);
  for (const { r } of ranks) assert.ok(labels.includes(String(r)), `${r} of ${labels}`);
});

plots("pictures with the same kind of marker have different ids", () => {
  const ids = (svg: string) => Array.from(svg.matchAll(/\bid="([^"]+)"/g), ([, id]) => id);
  const line = (data: number[]) => renderSvg({ marks: [Plot.lineY(data, { marker: true })] });
  const [a, b] = [ids(line([1, 2])), ids(line([2, 1, 3]))];
  assert.ok(a.length > 0 && b.length > 0);
  assert.not.ok(a.some((id) => b.includes(id)));
});

plots("the PNG contains the text as well as the marks", () => {
  if (!canDrawText()) return assert.is(renderPng(renderSvg({ marks: [Plot.frame()] })), null);
  const ink = (title: string) => renderPng(renderSvg({ axis: null, marks: [Plot.frame()] }, { title }))!;
  assert.not.equal(ink("one title"), ink("another"));
});

plots("the title and the legend stand above the plot", () => {
  const { "image/svg+xml": svg } = pictures.line.toMime();
  assert.match(svg, /viewBox="0 -46 640 446"/); // two rows of 18, and 10
  assert.ok(svg.includes("Loss &lt;r&gt;"));
  assert.match(svg, /<tspan fill="#\w+">●<\/tspan><tspan> DoRA &amp; co/);
});

plots("options that make Plot wrap the picture in HTML are refused", () => {
  const legend = plot({
    color: { legend: true },
    marks: [Plot.dot(rows, { x: "r", y: "loss", fill: "method" })],
  });
  assert.throws(() => legend.toMime(), /expected one picture/);
});

plots("a text line plot has the extremes in its corners", () => {
  const lines = textLines(
    [
      {
        name: "y",
        points: [
          [1, 10],
          [100, 20],
        ],
      },
    ],
    { xScale: "log" },
  ).split("\n"); // prettier
  assert.is(lines.length, 14);
  assert.match(lines[0], /^20 │ .*●$/);
  assert.match(lines[11], /^10 │●/);
  assert.match(lines[13], /^ {4}1 +100$/);
});

plots("text bars have proportional lengths", () => {
  const length = (bar: string) => bar.match(/█/g)?.length ?? 0;
  const bars = textBars([
    { label: "a", value: 10 },
    { label: "bb", value: 5 },
    { label: "c", value: 0 },
  ]).split("\n");
  assert.equal(bars.map(length), [40, 20, 0]);
  assert.match(bars[1], /^bb █+ 5$/);
});

plots("a text matrix shades the smallest value palest and the largest darkest", () => {
  const [, first, second] = textHeat(
    ["a", "b"],
    ["1", "2"],
    [
      [0, 1],
      [0.5, Number.NaN],
    ],
  ).split("\n");
  assert.is(first, "a ·· ██");
  assert.is(second, "b ▒▒ ??");
});

plots("no data, constant data and a single point are drawn", () => {
  assert.is(textLines([]), "(no points)");
  assert.is(textHeat([], [], []), "(no values)");
  assert.is(textBars([]), "");
  for (const data of [
    [],
    [{ x: 1, y: 2 }],
    [
      { x: 1, y: 2 },
      { x: 2, y: 2 },
    ],
  ]) {
    linePlot(data as { x: number; y: number }[], { x: "x", y: "y" }).toMime();
  }
});

plots("150,000 points, bars and cells are drawn as text", () => {
  const many = Array.from({ length: 150_000 }, (_, i) => i);
  const lines = textLines([{ name: "loss", points: many.map((i) => [i, Math.cos(i / 50_000)]) }]);
  assert.match(lines, /^ *1\.0+ │●/);
  assert.match(lines, /└─+\n +0 +149,999$/);
  assert.is(textBars(many.map((i) => ({ label: "x", value: i }))).split("\n").length, many.length);
  assert.match(
    textHeat(
      many.map(String),
      ["a"],
      many.map((i) => [i]),
    ),
    /· 0 {3}█ 149,999$/,
  );
});

plots.run();
