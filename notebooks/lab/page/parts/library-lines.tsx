/** @file The library's own line beside a number: the marked lines at once, those around them on request. */
import { useState } from "preact/hooks";
import type { Sources } from "../data.ts";
import { type LineKey, lines } from "../lines.ts";

export function LibraryLines({ of: key, sources }: { readonly of: LineKey; readonly sources: Sources }) {
  const [isWhole, setWhole] = useState(false);
  return (
    <div class={isWhole ? "library whole" : "library"}>
      <button type="button" class="plain" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
        <code>{lines[key].file}</code> {isWhole ? "show the line alone" : "show the lines around it"}
      </button>
      <div dangerouslySetInnerHTML={{ __html: (sources[key] ?? "").replace(' tabindex="0"', "") }} />
    </div>
  );
}
