import * as Plot from "@observablehq/plot";
import { Resvg } from "@resvg/resvg-js";
import * as fc from "fast-check";
import { parseHTML } from "linkedom";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axis, textWidth } from "../../notebooks/support/plots/axes.ts";
import { spread } from "../../notebooks/support/plots/marks.ts";
import { CARD, SVG, THUMBNAIL } from "../../notebooks/support/plots/picture.ts";
import { canDrawText, renderPng, renderSvg } from "../../notebooks/support/plots/plot-image.ts";
import { textBars, textHeat, textLines } from "../../notebooks/support/plots/plot-text.ts";
import { colorsOf } from "../../notebooks/support/show/colors.ts";
import { meanStd } from "../../notebooks/support/show/format.ts";
import {
  barPlot,
  dotPlot,
  heatmap,
  linePlot,
  type Picture,
  plot,
  scatterPlot,
} from "../../notebooks/support/show/plot.ts";
import { subscripts } from "../../notebooks/support/show/subscripts.ts";

const plots = suite("plots");

const rows = [1, 2, 4, 8].flatMap((r) =>
  ["LoRA", "DoRA & co"].map((method) => ({ r, method, loss: meanStd([3 - r / 10, 3.1 - r / 10]) })),
);
const svgOf = (picture: Picture): string => {
  const forms = picture.toMime();
  return forms[SVG] ?? forms["image/svg+xml"];
};
const pictures: Record<string, Picture> = {
  panels: linePlot(rows, { x: "r", y: "loss", series: "method", panels: "method", title: "Loss <r>" }),
  scatter: scatterPlot(rows, {
    x: "r",
    y: "loss",
    series: "method",
    fit: true,
    references: [{ x: 2, name: "two" }],
  }),
  dots: dotPlot(rows, {
    label: "r",
    value: "loss",
    series: "method",
    references: [{ x: 2.9, name: "chance" }],
  }),
  groups: barPlot(rows, { label: "r", value: "loss", series: "method" }),
  line: linePlot(rows, { x: "r", y: "loss", series: "method", xScale: "log", title: "Loss <r>" }),
  bar: barPlot(
    rows.filter(({ method }) => method === "LoRA"),
    { label: "r", value: "loss" },
  ),
  heat: heatmap(rows, { x: "r", y: "method", value: "loss" }),
  any: plot(
    { marks: [Plot.lineY([1, 2, 3], { marker: true, title: () => "a<b&c" })] },
    { text: "three points" },
  ),
};

for (const [name, picture] of Object.entries(pictures)) {
  plots(`${name}: one well-formed SVG, and text; PNG where there is a font`, () => {
    const { "image/png": png, "text/plain": text } = picture.toMime();
    const svg = svgOf(picture);
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
  const svg = svgOf(linePlot(ranks, { x: "r", y: "y", xScale: "log" }));
  const labels = Array.from(svg.matchAll(/<text[^>]*>(\d+)<\/text>/g), ([, label]) => label);
  for (const { r } of ranks) assert.ok(labels.includes(String(r)), `${r} of ${labels}`);
});

/** Every text of an SVG with its place, except those in rotated groups. */
const texts = (svg: string): { x: number; y: number; anchor: string; text: string; size: number }[] => {
  const { document } = parseHTML(`<html><body>${svg}</body></html>`);
  const size = Number(document.querySelector("svg")!.getAttribute("font-size"));
  return Array.from(document.querySelectorAll("text"), (element) => {
    const inEm = element.getAttribute("y")?.endsWith("em") ? size : 1;
    const number = (name: string): number => Number.parseFloat(element.getAttribute(name) ?? "0");
    let [x, y] = [number("x"), inEm * number("y")];
    let anchor = "";
    for (let at: Element | null = element; at; at = at.parentElement) {
      const [, dx = 0, dy = 0] =
        /translate\(([-\d.]+),\s*([-\d.]+)\)/.exec(at.getAttribute("transform") ?? "") ?? [];
      [x, y] = [x + Number(dx), y + Number(dy)];
      anchor ||= at.getAttribute("text-anchor") ?? "";
    }
    return { x, y, anchor: anchor || "middle", text: element.textContent ?? "", size };
  });
};

plots("no text is cut at the left or the right, and none stands on another", () => {
  const wide = rows.map((row) => ({ ...row, loss: Number(row.loss) * 123_456 }));
  const small = rows.map((row) => ({ ...row, loss: Number(row.loss) * 3e-5, r: row.r * 1e-4 }));
  const shown = [
    ...Object.values(pictures).filter((picture) => picture !== pictures.any),
    linePlot(wide, { x: "r", y: "loss", series: "method", xScale: "log", yScale: "log" }),
    linePlot(small, {
      x: "r",
      y: "loss",
      series: "method",
      xScale: "log",
      references: [{ y: 8e-5, name: "bound" }],
    }),
    heatmap(small, { x: "r", y: "method", value: "loss" }),
    heatmap(
      Array.from({ length: 64 * 8 }, (_, i) => ({ i: i % 64, j: i >> 6, phi: i })),
      { x: "i", y: "j", value: "phi" },
    ),
    linePlot(
      [1544, 2048, 8192, 8768, 9000].map((p) => ({ p, y: 1 / p })),
      { x: "p", y: "y", xScale: "log" },
    ),
  ];
  for (const picture of shown) {
    for (const [width, svg] of [
      [640, svgOf(picture)],
      [CARD.width, picture.toCard()[THUMBNAIL]],
    ] as const) {
      const boxes = texts(svg).map(({ x, y, anchor, text, size }) => {
        const long = textWidth(text, size);
        const left = anchor === "start" ? x : anchor === "end" ? x - long : x - long / 2;
        return { left, right: left + long, y, text };
      });
      for (const box of boxes) {
        assert.ok(box.left >= -1 && box.right <= width + 4, `"${box.text}" from ${box.left} to ${box.right}`);
        for (const other of boxes) {
          if (other === box || Math.abs(other.y - box.y) > 8) continue;
          assert.ok(
            other.right <= box.left + 1 || box.right <= other.left + 1,
            `${JSON.stringify(box)} on ${JSON.stringify(other)} ${width} ${picture.heading.title}`,
          );
        }
      }
    }
  }
});

plots(
  "an axis: ticks within its ends, evenly spaced, whole for whole values, the values themselves if they fit",
  () => {
    const request = { length: 500, fontSize: 12, along: "x", scale: "linear" } as const;
    assert.equal(axis({ ...request, values: [1, 2, 3, 4] }).ticks, [1, 2, 3, 4]);
    assert.equal(axis({ ...request, scale: "log", values: [1, 2, 4, 64] }).ticks, [1, 2, 4, 64]);
    assert.equal(
      axis({ ...request, scale: "log", values: [1, 1.1, 1000] }).ticks,
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    );
    const { ticks, text } = axis({ ...request, scale: "log", values: [2e-5, 1e-4, 0.2] });
    assert.equal(ticks.map(text), ["2·10⁻⁵", "10⁻⁴", "2·10⁻¹"]);
    const end = fc.double({ min: -1e4, max: 1e4, noNaN: true }).filter((value) => Math.abs(value) > 1e-3);
    fc.assert(
      fc.property(end, end, fc.boolean(), (a, b, nice) => {
        fc.pre(Math.abs(a - b) > 1e-3);
        const { ticks, domain } = axis({ ...request, values: [a, b], nice });
        const room = 1e-6 * (domain[1] - domain[0]);
        assert.ok(ticks.length >= 2 && ticks.length <= 20, `${ticks}`);
        for (const tick of ticks) assert.ok(tick >= domain[0] - room && tick <= domain[1] + room);
        if (nice) assert.ok(domain[0] <= Math.min(a, b) + room && domain[1] >= Math.max(a, b) - room);
        const steps = ticks.slice(1).map((tick, i) => tick - ticks[i]);
        for (const step of steps) assert.ok(Math.abs(step - steps[0]) <= room, `${ticks}`);
      }),
    );
  },
);

plots("heights are moved apart, keep their order, and stay inside", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 10 }), (heights) => {
      const sorted = heights.sort((a, b) => a - b);
      const moved = spread(sorted, 15, 0, 300);
      moved.forEach((height, i) => {
        assert.ok(height >= -1e-9 && height <= 300 + 1e-9);
        if (i > 0) assert.ok(height - moved[i - 1] >= 15 - 1e-9);
      });
      const far = sorted.every((height, i) => i === 0 || height - sorted[i - 1] >= 15);
      if (far) assert.equal(moved, sorted);
    }),
  );
});

plots(
  "a name at the end of a line stands at the height of its last point, whatever the plot's height",
  () => {
    const apart = ["LoRA", "DoRA"].flatMap((method, i) =>
      [1, 2, 4].map((r) => ({ r, method, loss: 1 + i - r / 10 })),
    );
    for (const height of [undefined, 200, 300, 520]) {
      const picture = linePlot(apart, { x: "r", y: "loss", series: "method", height });
      const { document } = parseHTML(svgOf(picture));
      const at = (element: Element, name: string): number => Number(element.getAttribute(name));
      const dots = [...document.querySelectorAll("circle")];
      const right = Math.max(...dots.map((dot) => at(dot, "cx")));
      const last = dots.filter((dot) => at(dot, "cx") === right).map((dot) => at(dot, "cy"));
      const names = [...document.querySelectorAll("text")].filter((text) =>
        /^(LoRA|DoRA)$/.test(text.textContent ?? ""),
      );
      assert.is(names.length, 2);
      for (const name of names) assert.ok(last.some((y) => Math.abs(at(name, "y") - y) < 6));
    }
  },
);

plots("series of one method are shades of its colour from light to dark; a method alone has its own", () => {
  const light = (color: string): number =>
    [1, 3, 5].reduce((sum, at) => sum + Number.parseInt(color.slice(at, at + 2), 16), 0);
  const [one, two, four, other] = colorsOf(["LoRA, r = 1", "LoRA, r = 2", "LoRA, r = 4", "DoRA"]);
  assert.ok(light(one) > light(two) && light(two) > light(four));
  assert.is(other, colorsOf(["DoRA"])[0]);
  assert.is(colorsOf(["LoRA, r = 8", "LoRA+"])[0], colorsOf(["LoRA"])[0]);
  assert.is.not(colorsOf(["LoRA+"])[0], colorsOf(["LoRA"])[0]);
  const ranks = colorsOf(["r = 1", "r = 2", "r = 4"]);
  assert.ok(light(ranks[0]) > light(ranks[1]) && light(ranks[1]) > light(ranks[2]));
});

plots("points above the axis and diverged ones are shown as such, at its edge", () => {
  const diverged = [...rows, { r: 16, method: "LoRA", loss: Number.POSITIVE_INFINITY }];
  const svg = svgOf(linePlot(diverged as typeof rows, { x: "r", y: "loss", series: "method" }));
  assert.match(svg, /▲/);
  assert.match(svg, /above the axis, or diverged/);
  assert.not.match(svgOf(pictures.line), /▲/);
  const grid = [
    { a: 1, b: 1, v: 2 },
    { a: 1, b: 2, v: Number.NaN },
  ];
  const heat = heatmap(grid, { x: "a", y: "b", value: "v", missing: "no run" });
  assert.match(svgOf(heat), /no run/);
  assert.match(heat.text, /\? no run/);
});

plots("a reference is drawn, named, and part of the text", () => {
  assert.match(svgOf(pictures.scatter), />two</);
  assert.match(pictures.scatter.text, /two: r = 2/);
  assert.match(pictures.dots.text, /chance: 2.9/);
});

plots("subscripts are lowered in every text, names of code are not", () => {
  const lowered = (text: string): string =>
    subscripts(text)
      .map(({ text, sub }) => (sub ? `[${text}]` : text))
      .join("");
  assert.is(lowered("W_q, W_v: r_q = 2, η_B, d_in, ΔW_o"), "W[q], W[v]: r[q] = 2, η[B], d[in], ΔW[o]");
  for (const name of ["q_proj", "c_attn", "mlp.c_fc", "x_long", "lora_A", "a_b_c", "W_q(x)"])
    assert.is(lowered(name), name);
  const svg = svgOf(linePlot(rows, { x: "r", y: "loss", title: "on W_q" }));
  assert.match(svg, />on W<\/tspan><tspan font-size="72%" dy="0.25em">q</);
});

plots("pictures with the same kind of marker have different ids", () => {
  const ids = (svg: string) => Array.from(svg.matchAll(/\bid="([^"]+)"/g), ([, id]) => id);
  const line = (data: number[]) => renderSvg({ options: { marks: [Plot.lineY(data, { marker: true })] } });
  const [a, b] = [ids(line([1, 2])), ids(line([2, 1, 3]))];
  assert.ok(a.length > 0 && b.length > 0);
  assert.not.ok(a.some((id) => b.includes(id)));
});

plots("the PNG contains the text as well as the marks", () => {
  if (!canDrawText()) return assert.is(renderPng(renderSvg({ options: { marks: [Plot.frame()] } })), null);
  const ink = (title: string) =>
    renderPng(renderSvg({ options: { axis: null, marks: [Plot.frame()] } }, { title }))!;
  assert.not.equal(ink("one title"), ink("another"));
});

plots("the title and the legend stand above the plot", () => {
  const svg = svgOf(pictures.panels);
  assert.match(svg, /viewBox="0 -59.8 640 359.8"/); // three rows of 18.6 and 4
  assert.ok(svg.includes("Loss &lt;r&gt;"));
  assert.match(svg, />●<\/text><text [^>]*>DoRA &amp; co/);
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
