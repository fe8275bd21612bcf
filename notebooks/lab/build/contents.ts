/** @file What stands in the document of the lab, as the page is given it. For the page. */
import type { BaseFiles } from "../engine/types.ts";
import type { PageData } from "../page/data.ts";
import { type PackedRun, unpackRun } from "../stored/codec.ts";

/** Reads what stands before the page's program at once, and the rest when it is asked for. */
export function contents(): PageData {
  let program = "";
  return {
    stored: unpackRun(read<PackedRun>("stored")),
    sources: read("sources"),
    texts: read("texts"),
    base: async () => {
      await complete();
      program ||= await unpacked(textOf("worker"));
      const { weights, ...files } = read<Omit<BaseFiles, "weights"> & { weights: string }>("base");
      return { ...files, weights: bytesOf(weights) };
    },
    worker: () => {
      const blob = new Blob([program], { type: "text/javascript" });
      return new Worker(URL.createObjectURL(blob), { name: "lowrank lab" });
    },
  };
}

const textOf = (id: string): string => document.getElementById(id)!.textContent!;
const read = <T>(id: string): T => JSON.parse(textOf(id)) as T;

/** Fulfilled when the whole document is there: the model and the worker's program stand at its end. */
const complete = (): Promise<unknown> =>
  document.readyState === "loading"
    ? new Promise((resolve) => addEventListener("DOMContentLoaded", resolve, { once: true }))
    : Promise.resolve();

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** The text that was packed with gzip. */
const unpacked = (base64: string): Promise<string> =>
  new Response(new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
