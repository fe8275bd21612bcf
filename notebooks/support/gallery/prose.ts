/** @file Renders prose and code as HTML at build time: Markdown by markdown-it, equations by KaTeX, colours by Shiki. */
import katex from "@vscode/markdown-it-katex";
import MarkdownIt from "markdown-it";
import { createHighlighter } from "shiki";
import { Html } from "./html.ts";

export interface Heading {
  readonly level: number;
  /** Unique on its page. */
  readonly id: string;
  readonly title: Html;
}

export interface Prose {
  readonly html: Html;
  readonly headings: readonly Heading[];
}

export interface Renderer {
  /** Renders Markdown. @param taken ids already used on the page; those of the headings are added */
  markdown(source: string, taken?: Set<string>): Prose;
  /** Renders inline Markdown, without a paragraph. */
  inline(source: string): Html;
  /** Renders TypeScript. */
  code(source: string): Html;
}

/** Made once in a process: it takes a second and much memory. */
let shared: ReturnType<typeof createHighlighter> | undefined;

export async function createRenderer(): Promise<Renderer> {
  const themes = { light: "github-light-high-contrast", dark: "github-dark-high-contrast" };
  const languages = ["ts", "sh", "json"];
  const highlighter = await (shared ??= createHighlighter({
    themes: Object.values(themes),
    langs: languages,
  }));
  const highlight = (source: string, language: string): string =>
    highlighter.codeToHtml(source, {
      lang: languages.includes(language) ? language : "text",
      themes,
      defaultColor: "light-dark()", // the page's color-scheme chooses
      transformers: [{ pre: ({ properties }) => void delete properties.style }], // the page has a background of its own
    });

  const markdown = new MarkdownIt({ html: false, highlight });
  // The cast is needed because this CommonJS module's types describe an ES module.
  markdown.use((katex as unknown as { default: typeof katex }).default);
  markdown.renderer.rules.table_open = () => '<div class="scroll" tabindex="0"><table>';
  markdown.renderer.rules.table_close = () => "</table></div>";

  return {
    markdown(source, taken = new Set()) {
      const env = {};
      const tokens = markdown.parse(source, env);
      const headings: Heading[] = [];
      tokens.forEach((token, i) => {
        if (token.type !== "heading_open") return;
        const { content, children } = tokens[i + 1];
        const id = unused(slug(content), taken);
        token.attrSet("id", id);
        const title = new Html(markdown.renderer.render(children ?? [], markdown.options, env));
        headings.push({ level: Number(token.tag.slice(1)), id, title });
      });
      return { html: new Html(markdown.renderer.render(tokens, markdown.options, env)), headings };
    },
    inline: (source) => new Html(markdown.renderInline(source)),
    code: (source) => new Html(highlight(source, "ts")),
  };
}

export function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "");
}

function unused(id: string, taken: Set<string>): string {
  let free = id;
  for (let n = 2; taken.has(free); n++) free = `${id}-${n}`;
  taken.add(free);
  return free;
}
