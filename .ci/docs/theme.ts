/** @file TypeDoc's theme with the site's own navigation, which needs no script, and sources that lead to files' pages. */

import {
  type Application,
  type DeclarationReflection,
  DefaultTheme,
  DefaultThemeRenderContext,
  type DocumentReflection,
  JSX,
  PageEvent,
  type ProjectReflection,
  type Reflection,
  ReflectionKind,
  type Renderer,
} from "typedoc";
import { entriesOf } from "./headers.ts";

/** By this name a folder is known as one that may be overwritten. */
export const GENERATOR = "lowrank reference";

const { createElement: h } = JSX;

export class ReferenceTheme extends DefaultTheme {
  /** The path of the gallery's first page from this site's, where there is one. */
  notebooks: string | undefined;
  readonly #app: Application;

  constructor(renderer: Renderer) {
    super(renderer);
    this.#app = renderer.application;
    const { hooks } = renderer;
    hooks.on("head.begin", () => h("meta", { name: "generator", content: GENERATOR }));
    hooks.on("head.end", ({ relativeURL }) =>
      h(
        JSX.Fragment,
        null,
        h("link", { rel: "icon", href: "data:," }),
        h("link", { rel: "stylesheet", href: relativeURL("assets/reference.css", true) }),
      ),
    );
    // TypeDoc hides a page until its script has run.
    renderer.on(PageEvent.END, (page: PageEvent) => {
      page.contents = page.contents?.replace(/document\.body\.style\.display="none";.*?(?=<\/script>)/, "");
    });
  }

  #exported: ReadonlyMap<string, Reflection> | undefined;

  /** What the entries declare, by name; not `dropout` or `allocate`, which may be an option or a method in a sentence. */
  exported(project: ProjectReflection): ReadonlyMap<string, Reflection> {
    if (this.#exported) return this.#exported;
    const { Parameter, Property, Method } = ReflectionKind;
    const others = project
      .getReflectionsByKind(Parameter | Property | Method)
      .filter(({ parent }) => parent?.name !== "Tensor"); // its methods are the functions
    const taken = new Set(others.map(({ name }) => name));
    const declared = entriesOf(project)
      .flatMap(({ children }) => children ?? [])
      .filter((child) => !child.isReference() && !taken.has(child.name));
    this.#exported = new Map(declared.map((child) => [child.name, child]));
    return this.#exported;
  }

  override getRenderContext(page: PageEvent<Reflection>): DefaultThemeRenderContext {
    return new ReferenceContext(this.router, this, page, this.#app.options);
  }
}

class ReferenceContext extends DefaultThemeRenderContext {
  declare readonly theme: ReferenceTheme;

  constructor(...given: ConstructorParameters<typeof DefaultThemeRenderContext>) {
    super(...given);
    const plain = this.markdown;
    this.markdown = (text) => this.#linkNames(plain(text));
  }

  /** Makes links of the exported names in backticks. */
  #linkNames(html: string): string {
    return html.replace(/<(a|h\d|pre)\b.*?<\/\1>|<code>(\w{3,})<\/code>/gs, (whole, tag, name) => {
      const target = tag ? undefined : this.theme.exported(this.page.project).get(name);
      return target && target !== this.page.model ? `<a href="${this.urlTo(target)}">${whole}</a>` : whole;
    });
  }

  override navigation: DefaultThemeRenderContext["navigation"] = ({ project, model }) => {
    const open = entryOf(model);
    const link = (target: Reflection, text: string, inner?: JSX.Element) =>
      h(
        "li",
        null,
        h(
          "a",
          { href: this.urlTo(target), ...(target === model && { "aria-current": "page", class: "current" }) },
          text,
        ),
        inner,
      );
    const files = (entry: DeclarationReflection) =>
      h("ul", null, ...(entry.documents ?? []).map((file) => link(file, nameWithin(entry, file))));
    const { notebooks } = this.theme;
    return h(
      "nav",
      { class: "tsd-navigation", "aria-label": "Site" },
      h(
        "ul",
        null,
        link(project, "Overview"),
        ...(project.documents ?? []).map((guide) => link(guide, guide.name)),
        notebooks && h("li", null, h("a", { href: this.relativeURL(notebooks) }, "Notebooks")),
        ...entriesOf(project).map((entry) =>
          link(entry, entry.name, entry === open && entry.documents ? files(entry) : undefined),
        ),
      ),
    );
  };

  /** The entries once more: a narrow screen folds the navigation away, behind a button that wants a script. */
  override footer: DefaultThemeRenderContext["footer"] = () => {
    const { project } = this.page;
    const link = (target: Reflection) => h("li", null, h("a", { href: this.urlTo(target) }, target.name));
    const targets = [...(project.documents ?? []), ...entriesOf(project)];
    return h(
      "footer",
      null,
      h("nav", { "aria-label": "Entries" }, h("ul", { class: "entries" }, ...targets.map(link))),
    );
  };

  /** Nothing is set: the colours are the system's. */
  override settings: DefaultThemeRenderContext["settings"] = () => h(JSX.Fragment, null);

  /** "In lora/lora.ts", with a link to the page of that file; what is inherited says from where. */
  override memberSources: DefaultThemeRenderContext["memberSources"] = (props) => {
    const origins = [
      ["Inherited from ", props.inheritedFrom],
      ["Overrides ", props.overwrites],
    ] as const;
    const lines = origins.flatMap(([words, type]) =>
      type ? [h("p", null, words, this.typeAndParent(type))] : [],
    );
    const declaration = props.isSignature() ? props.parent : props;
    const isTop = declaration.parent?.kindOf(ReflectionKind.Module);
    const file = isTop && this.#pageOf(props.sources?.[0]?.fileName);
    if (file) lines.push(h("p", null, "In ", h("a", { href: this.urlTo(file) }, file.name)));
    return lines.length > 0 ? h("aside", { class: "tsd-sources" }, ...lines) : h(JSX.Fragment, null);
  };

  #pageOf(path: string | undefined): DocumentReflection | undefined {
    return entriesOf(this.page.project)
      .flatMap(({ documents }) => documents ?? [])
      .find(({ name }) => name === path);
  }
}

/** The entry that a page is about, if it is about one. */
function entryOf(reflection: Reflection): Reflection | undefined {
  if (reflection.kindOf(ReflectionKind.Module)) return reflection;
  return reflection.parent && entryOf(reflection.parent);
}

const nameWithin = (entry: Reflection, file: Reflection): string =>
  file.name.replace(entry.name.replace(/^lowrank\//, "").concat("/"), "");
