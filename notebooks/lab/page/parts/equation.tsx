/** @file An equation, set by KaTeX, with MathML for those who listen. */
import { renderToString } from "katex";

const made = new Map<string, string>();

function markup(tex: string, displayMode: boolean): string {
  const key = `${displayMode}${tex}`;
  const before = made.get(key);
  if (before !== undefined) return before;
  const html = renderToString(tex, { displayMode, throwOnError: false });
  made.set(key, html);
  return html;
}

/** `block`: on a line of its own. @default false */
export function Equation({ tex, block = false }: { readonly tex: string; readonly block?: boolean }) {
  const Tag = block ? "div" : "span";
  return <Tag class="equation" dangerouslySetInnerHTML={{ __html: markup(tex, block) }} />;
}
