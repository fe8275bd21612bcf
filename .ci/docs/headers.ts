/** @file Gives every file of the library a page, with its `@file` header, and the entries and guides their texts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Application,
  Comment,
  type CommentDisplayPart,
  type Context,
  Converter,
  DeclarationReflection,
  DocumentReflection,
  MinimalSourceFile,
  normalizePath,
  type ProjectReflection,
  type Reflection,
  ReflectionKind,
} from "typedoc";

/** The folders of the entries: the whole library, then its layers from the lowest up. */
export const folders = ["", "core", "autograd", "nn", "lora", "quant"];

/** The modules of the entries, in that order. */
export const entriesOf = (project: ProjectReflection): DeclarationReflection[] =>
  project
    .getChildrenByKind(ReflectionKind.Module)
    .sort((a, b) => folders.indexOf(folderOf(a)) - folders.indexOf(folderOf(b)));

const folderOf = ({ name }: Reflection): string => name.replace(/^lowrank\/?/, "");

/**
 * Adds to what TypeDoc finds: the guides (Markdown files in notebooks/), a page for each file with its header and its
 * exports, the header of each `index.ts` as the text of its entry, and the overview.
 */
export function addHeaders(app: Application, root: string): void {
  const parse = (text: string, path: string): CommentDisplayPart[] =>
    app.converter.parseRawComment(new MinimalSourceFile(text, normalizePath(path)), app.files).content;

  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }: Context) => {
    dropHeaders(project);
    for (const page of ["using.md", "from-pytorch.md"]) {
      const guide = join(root, "notebooks", page);
      const [title, ...text] = readFileSync(guide, "utf8").split("\n");
      addPage(project, project, title.replace(/^# /, ""), parse(text.join("\n"), guide), { group: "Guides" });
    }
    for (const entry of project.getChildrenByKind(ReflectionKind.Module)) {
      const folder = entry.name === "index" ? "" : entry.name;
      const index = join(root, folder, "index.ts");
      const header = headerOf(readFileSync(index, "utf8"));
      if (header) entry.comment = new Comment(parse(header, index));
      entry.name = folder === "" ? "lowrank" : `lowrank/${folder}`;
      if (folder !== "") addFiles(project, entry, root, folder, parse);
    }
    const opening = fileURLToPath(new URL("index.md", import.meta.url));
    project.readme = [...parse(readFileSync(opening, "utf8"), opening), ...contents(project)];
  });
}

/** The order in which the papers' files are listed. */
const ofPapers = ["lora", "quant", "nn", "autograd", "core"];

/** The entries with what they hold, and the papers with their files. */
function contents(project: ProjectReflection): CommentDisplayPart[] {
  const entries = entriesOf(project);
  const files = ofPapers.flatMap(
    (folder) => entries.find((entry) => folderOf(entry) === folder)?.documents ?? [],
  );
  const line = (target: Reflection, summary: string): CommentDisplayPart[] => [
    { kind: "text", text: "- " },
    { kind: "inline-tag", tag: "@link", text: target.name, target },
    { kind: "text", text: `: ${summary}\n` },
  ];
  return [
    { kind: "text", text: "\n## Entries\n\n" },
    ...entries.flatMap((entry) =>
      line(entry, Comment.combineDisplayParts(entry.comment?.getShortSummary(true))),
    ),
    { kind: "text", text: "\n## Papers\n\n" },
    ...files
      .filter(({ frontmatter }) => frontmatter.cites)
      .flatMap((file) => line(file, String(file.frontmatter.summary))),
  ];
}

/** Removes headers that TypeDoc took for the comment of a declaration below them that has none of its own. */
function dropHeaders(project: ProjectReflection): void {
  for (const reflection of Object.values(project.reflections)) {
    if (reflection.comment?.getTag("@file")) delete reflection.comment;
  }
}

/** The pages of one entry's files, those at the top of its folder first. */
function addFiles(
  project: ProjectReflection,
  entry: DeclarationReflection,
  root: string,
  folder: string,
  parse: (text: string, path: string) => CommentDisplayPart[],
): void {
  for (const name of sourcesIn(join(root, folder))) {
    const path = join(root, folder, name);
    const header = headerOf(readFileSync(path, "utf8"));
    if (!header || name === "index.ts") continue;
    const file = `${folder}/${name}`;
    const names = (entry.children ?? []).filter((child) => !child.isReference() && fileOf(child) === file);
    const content = [...parse(header, path), ...list(names)];
    addPage(project, entry, file, content, {
      group: "Files",
      summary: summaryOf(header),
      cites: /arXiv:\d/.test(header),
    });
  }
}

function sourcesIn(folder: string): string[] {
  const depth = (name: string): number => name.split("/").length;
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !/^(assembly|generated)|\/(assembly|generated)\//.test(name))
    .sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1));
}

function addPage(
  project: ProjectReflection,
  parent: ProjectReflection | DeclarationReflection,
  name: string,
  content: CommentDisplayPart[],
  frontmatter: Record<string, unknown>,
): void {
  const page = new DocumentReflection(name, parent, content, frontmatter);
  parent.addChild(page);
  project.registerReflection(page, undefined, undefined);
}

/** The section that lists what a file exports. */
function list(names: readonly Reflection[]): CommentDisplayPart[] {
  if (names.length === 0) return [];
  return [
    { kind: "text", text: "\n\n## Exports\n\n" },
    ...names.flatMap((target): CommentDisplayPart[] => [
      { kind: "text", text: `- ${ReflectionKind.singularString(target.kind).toLowerCase()} ` },
      { kind: "inline-tag", tag: "@link", text: target.name, target },
      { kind: "text", text: "\n" },
    ]),
  ];
}

/** The path of the file in which a name is declared, from the root of the repository. */
function fileOf(reflection: Reflection): string | undefined {
  if (!(reflection instanceof DeclarationReflection)) return undefined;
  return (reflection.sources ?? reflection.signatures?.[0].sources)?.[0]?.fileName;
}

/** The text of a file's `@file` comment, without its stars. */
function headerOf(source: string): string | undefined {
  const [, body] = /^\s*\/\*\*\s*(?:\*\s)?@file ([\s\S]*?)\*\//.exec(source) ?? [];
  return body?.replace(/^ *\* ?/gm, "").trim();
}

/** The first sentence. */
function summaryOf(header: string): string {
  const [paragraph] = header.split(/\n\s*\n/);
  const [sentence] = /^.*?\.(?=\s+\p{Lu}|$)/su.exec(paragraph) ?? [paragraph];
  return sentence.replace(/\s+/g, " ").replace(/:$/, ".");
}
