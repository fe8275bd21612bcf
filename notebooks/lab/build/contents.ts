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
      program ||= await unpacked("worker").text();
      const files = (await unpacked("base").json()) as Omit<BaseFiles, "weights">;
      return { ...files, weights: new Uint8Array(await unpacked("weights").arrayBuffer()) };
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

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i); // Uint8Array.from takes 30 times as long
  return bytes;
}

/** What was packed with gzip. */
const unpacked = (id: string): Response =>
  new Response(new Blob([bytesOf(textOf(id))]).stream().pipeThrough(new DecompressionStream("gzip")));
