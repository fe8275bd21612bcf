/** @file Stands in for the interface until there is one: what the page is given, as a list. */
import { render } from "preact";
import type { PageData } from "../page/data.ts";

export function mount(root: Element, { texts, sources }: PageData): void {
  render(
    <main class="container">
      <h1>The lab</h1>
      <p>Texts: {Object.entries(texts).map(([name, text]) => `${name} ${text.length}`)}</p>
      {Object.entries(sources).map(([key, source]) => (
        <section key={key} class="cell">
          <h2>{key}</h2>
          <div dangerouslySetInnerHTML={{ __html: source }} />
        </section>
      ))}
    </main>,
    root,
  );
}
