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
  if (!block) return <span class="equation" dangerouslySetInnerHTML={{ __html: markup(tex, false) }} />;
  const parts = tex.split(String.raw`\qquad`); // beside each other, or below where there is no room
  return (
    <div class="equation block">
      {parts.map((part) => (
        <div key={part} dangerouslySetInnerHTML={{ __html: markup(part, true) }} />
      ))}
    </div>
  );
}
