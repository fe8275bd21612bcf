/** @file What the page is given when it is made: everything that stands in its one file. */
import type { BaseFiles, StoredRun } from "../engine/types.ts";
import type { LineKey } from "./lines.ts";
import type { ToyLineKey } from "./toys/lines.ts";

/** The library's lines as HTML, `<pre class="shiki">` with the marked lines in `<span class="line marked">`, by key. */
export type Sources = Readonly<Record<LineKey | ToyLineKey, string>>;

export interface PageData {
  /** The base model; read when the worker starts, which may be after the first paint. */
  readonly base: () => BaseFiles | Promise<BaseFiles>;
  /** The targets and the base's own text by name: "speeches", "moby-dick", "code", "base". */
  readonly texts: Readonly<Record<string, string>>;
  readonly stored: StoredRun;
  readonly sources: Sources;
  /** A new worker with the engine, once `base` was fulfilled. @throws where the browser refuses one */
  readonly worker: () => Worker;
}
