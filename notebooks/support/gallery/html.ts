/** @file HTML as a tagged template: inserted text is escaped, inserted HTML is not. */

/** Text that is HTML. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** A value in a template. `false` and `null` insert nothing, as in `${found && html`…`}`. */
export type Part = string | number | Html | readonly Part[] | false | null | undefined;

/** The template with its parts inserted, escaped unless they are HTML. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...parts.map(write)));
}

function write(part: Part): string {
  if (part === false || part === null || part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(write).join("");
  return String(part).replace(/[&<>"]/g, (sign) => ESCAPES[sign]);
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
