/** @file One of the page's pictures: its title, what it shows, the equation and the library's line that made it. */
import type { ComponentChildren } from "preact";
import type { LineKey } from "../lines.ts";
import { useLab } from "../state/lab.ts";
import { Equation } from "./equation.tsx";
import { LibraryLines } from "./library-lines.tsx";

export interface PictureProps {
  /** Its name for the tour. */
  readonly name: string;
  readonly title: string;
  readonly children: ComponentChildren;
  readonly caption?: ComponentChildren;
  /** TeX of the equation of what is shown. */
  readonly equation?: string;
  readonly lines?: readonly LineKey[];
}

export function Picture({ name, title, children, caption, equation, lines = [] }: PictureProps) {
  const { data } = useLab();
  return (
    <figure class="picture" id={`picture-${name}`} data-part={name}>
      <figcaption>{title}</figcaption>
      {children}
      {caption && <p class="caption">{caption}</p>}
      {(equation || lines.length > 0) && (
        <div class="made-by">
          {equation && <Equation tex={equation} block />}
          {lines.map((key) => (
            <LibraryLines key={key} of={key} sources={data.sources} />
          ))}
        </div>
      )}
    </figure>
  );
}
