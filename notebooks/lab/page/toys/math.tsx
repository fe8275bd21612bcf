/** @file Equations as MathML, from a few letters of notation. Browsers draw it, and screen readers read it. */
import type { JSX } from "preact";

/**
 * An equation. Letters are variables; `_` and `^` take the next letter, number or group in braces; `{a}/{b}` is a
 * fraction; `"words"` are upright; `;` is a space between two equations.
 *
 *     <Equation of="ΔW = {α}/{r} B A" />
 */
export function Equation({ of, inline = false }: { of: string; inline?: boolean }): JSX.Element {
  return (
    <math display={inline ? "inline" : "block"} aria-label={of.replace(/[{}"]/g, "")}>
      {row(tokens(of))}
    </math>
  );
}

type Node = JSX.Element;

const tokens = (text: string): string[] =>
  text.match(/"[^"]*"|\d+(?:[.,]\d+)*|[{}_^/]|\p{L}['*]?|[^\s]/gu) ?? [];

function row(list: string[]): Node[] {
  const nodes: Node[] = [];
  while (list.length > 0 && list[0] !== "}") {
    const head = list[0];
    if (head === "_" || head === "^") {
      nodes.push(script(nodes.pop() ?? <mrow />, list));
    } else if (head === "/" && list[1] === "{") {
      list.shift();
      const top = nodes.pop() ?? <mrow />;
      nodes.push(
        <mfrac>
          {top}
          {item(list)}
        </mfrac>,
      );
    } else nodes.push(item(list));
  }
  return nodes;
}

/** A node with the subscripts and superscripts that follow it. */
function script(base: Node, list: string[]): Node {
  const parts: Partial<Record<string, Node>> = {};
  while (list[0] === "_" || list[0] === "^") {
    const kind = list.shift() as string;
    parts[kind] = item(list);
  }
  const { _: below, "^": above } = parts;
  if (below && above)
    return (
      <msubsup>
        {base}
        {below}
        {above}
      </msubsup>
    );
  return below ? (
    <msub>
      {base}
      {below}
    </msub>
  ) : (
    <msup>
      {base}
      {above}
    </msup>
  );
}

function item(list: string[]): Node {
  const token = list.shift() ?? "";
  if (token === "{") {
    const inner = row(list);
    list.shift();
    return <mrow>{inner}</mrow>;
  }
  if (token.startsWith('"')) return <mtext>{token.slice(1, -1).replace(/^ | $/g, "\u00a0")}</mtext>;
  if (token === ";") return <mspace width="2em" />;
  if (/^\d/.test(token)) return <mn>{token}</mn>;
  if (/^\p{L}['*]/u.test(token))
    return (
      <msup>
        <mi>{token[0]}</mi>
        <mo>{token[1] === "'" ? "′" : "*"}</mo>
      </msup>
    );
  if (/^\p{L}/u.test(token)) return <mi>{token}</mi>;
  // As an operator a parenthesis would grow with its neighbours.
  return "()[]‖|".includes(token) ? <mi mathvariant="normal">{token}</mi> : <mo>{token}</mo>;
}
