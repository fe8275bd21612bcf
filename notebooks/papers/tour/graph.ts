/** @file Draws the graph that a tensor records: its nodes are read from the library, not drawn by hand. */
import * as Plot from "@observablehq/plot";
import type { Tensor } from "lowrank/autograd";
import { Picture } from "../../support/plots/picture.ts";

type Node = NonNullable<Tensor["node"]>;

interface Placed {
  readonly tensor: Tensor;
  readonly name: string;
  readonly op: string;
  readonly column: number;
  readonly row: number;
}

/** The recorded ops between named tensors. Take it before `backward`, which releases the links, and draw it after. */
export class RecordedGraph {
  readonly nodes: readonly Placed[];
  readonly edges: readonly (readonly [from: number, to: number])[];

  /** @param named the tensors of the graph by name; each retains its gradient */
  constructor(named: Readonly<Record<string, Tensor>>) {
    const all = Object.entries(named).flatMap(([name, tensor]) =>
      tensor.node ? [{ name, tensor, node: tensor.node }] : [],
    );
    const index = new Map(all.map(({ node }, i) => [node, i]));
    const parents = all.map(({ node }) => [...new Set(node.parents())].filter((one) => index.has(one)));
    const column = (node: Node): number =>
      1 + Math.max(-1, ...parents[index.get(node)!].map((parent) => column(parent)));
    const columns = all.map(({ node }) => column(node));
    this.nodes = all.map(({ name, tensor, node }, i) => {
      if (node.op !== "leaf") tensor.retainGrad();
      const row = columns.slice(0, i).filter((other) => other === columns[i]).length;
      return { name, tensor, op: node.op, column: columns[i], row };
    });
    this.edges = parents.flatMap((list, to) => list.map((parent) => [index.get(parent)!, to] as const));
  }

  /** Nodes from left to right: the op, the value, and below it the gradient that came back. */
  picture(heading: { readonly title: string; readonly caption: string }): Picture {
    const columns = Math.max(...this.nodes.map(({ column }) => column)) + 1;
    const rows = Math.max(...this.nodes.map(({ row }) => row)) + 1;
    const arrows = this.edges.map(([from, to]) => ({ from: this.nodes[from], to: this.nodes[to] }));
    const half = 0.36;
    const text = (lines: (node: Placed) => string, dy: number, more: Plot.TextOptions = {}): Plot.Markish =>
      Plot.text(this.nodes, { x: "column", y: "row", text: lines, dy, ...more });
    const arrow = (side: number, back: boolean, stroke: string): Plot.Markish =>
      Plot.arrow(arrows, {
        x1: ({ from, to }) => (back ? to.column - half : from.column + half),
        x2: ({ from, to }) => (back ? from.column + half : to.column - half),
        y1: ({ from, to }) => (back ? to : from).row + side,
        y2: ({ from, to }) => (back ? from : to).row + side,
        stroke,
        strokeWidth: 1.75,
        headLength: 6,
        inset: 2,
      });
    return new Picture(
      ({ width, fontSize }) => ({
        legend: [
          { name: "forward: values", color: "#4269d0", sign: "→" },
          { name: "backward: ∇, the gradient of the loss", color: "#e0662b", sign: "←" },
        ],
        options: {
          width,
          height: 30 + 8.6 * fontSize * rows,
          margin: 6,
          axis: null,
          x: { domain: [-0.5, columns - 0.5] },
          y: { domain: [rows - 0.5, -0.5] },
          marks: [
            Plot.rect(this.nodes, {
              x1: (node) => node.column - half,
              x2: (node) => node.column + half,
              y1: (node) => node.row - 0.42,
              y2: (node) => node.row + 0.42,
              stroke: "currentColor",
              strokeOpacity: 0.5,
              fill: "currentColor",
              fillOpacity: 0.04,
              rx: 6,
            }),
            arrow(-0.14, false, "#4269d0"),
            arrow(0.2, true, "#e0662b"),
            text((node) => node.name, -2.5 * fontSize, { fontWeight: 600 }),
            text((node) => (node.op === "leaf" ? "a leaf" : node.op), -1.2 * fontSize),
            text((node) => shown(node.tensor), 0.3 * fontSize),
            text((node) => `∇ ${shown(node.tensor.grad)}`, 2.2 * fontSize),
          ],
        },
      }),
      { ...heading, text: this.toString() },
    );
  }

  toString(): string {
    return this.nodes
      .map((node, to) => {
        const from = this.edges.flatMap(([a, b]) => (b === to ? [this.nodes[a].name] : []));
        const made = node.op === "leaf" ? "a leaf" : `${node.op} of ${from.join(" and ")}`;
        return `${node.name}: ${made}; value ${shown(node.tensor)}, gradient ${shown(node.tensor.grad)}`;
      })
      .join("\n");
  }
}

const shown = (tensor: Tensor | null): string => {
  if (!tensor) return "none";
  const numbers = Array.from(tensor.toArray(), (value) =>
    String(Number(value.toPrecision(4))).replace("-", "−"),
  );
  return numbers.length === 1 ? numbers[0] : `(${numbers.join(", ")})`;
};
