/** @file Writes `.ipynb` files: Jupyter's notebook format 4.5, with equal bytes for equal cells and outputs. */
import { createHash } from "node:crypto";
import type { Cell } from "./percent.ts";
import type { RunRecord } from "./record.ts";
import type { MimeBundle } from "./session.ts";

interface Executed {
  readonly cells: readonly Cell[];
  readonly outputs: readonly (readonly MimeBundle[])[];
  /** Stored in the notebook's metadata as `lowrank`. */
  readonly record?: RunRecord;
}

/** The notebook with its outputs, as the text of an `.ipynb` file. */
export function toIpynb({ cells, outputs, record }: Executed): string {
  const ids = cellIds(cells);
  let executions = 0;
  const notebook = {
    cells: cells.map(({ type, title, source }, i) => ({
      cell_type: type,
      ...(type === "code" ? { execution_count: ++executions } : {}),
      id: ids[i],
      metadata: title ? { title } : {},
      ...(type === "code" ? { outputs: outputs[i].map(displayData) } : {}),
      source: lines(source),
    })),
    metadata: {
      kernelspec: { display_name: "Deno", language: "typescript", name: "deno" },
      language_info: {
        codemirror_mode: "typescript",
        file_extension: ".ts",
        mimetype: "text/x.typescript",
        name: "typescript",
        nbconvert_exporter: "script",
        pygments_lexer: "typescript",
      },
      ...(record ? { lowrank: record } : {}),
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
  return `${JSON.stringify(notebook, null, 1)}\n`;
}

function displayData(bundle: MimeBundle) {
  const data = Object.fromEntries(
    Object.keys(bundle)
      .sort()
      .map((type) => [type, type === "image/png" ? bundle[type] : lines(bundle[type])]),
  );
  return { data, metadata: pngSize(bundle["image/png"]), output_type: "display_data" };
}

/** A PNG is drawn at twice its size; its header has the width at byte 16, of which a viewer is to show half. */
function pngSize(png: string | undefined): object {
  if (!png) return {};
  return { "image/png": { width: Math.round(Buffer.from(png.slice(0, 32), "base64").readUInt32BE(16) / 2) } };
}

/** Lines with their ends; Jupyter stores text so, which keeps differences readable. */
function lines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Eight hexadecimal digits of the source's hash, so that a cell keeps its id when others are added or removed. */
function cellIds(cells: readonly Cell[]): string[] {
  const seen = new Map<string, number>();
  return cells.map(({ type, source }) => {
    const id = createHash("sha256").update(`${type}\n${source}`).digest("hex").slice(0, 8);
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    return count === 1 ? id : `${id}-${count}`;
  });
}
