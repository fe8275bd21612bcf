/** @file `lowrank download`: a model or adapter from the Hugging Face Hub into the cache that transformers uses, too. */

import { defineCommand } from "../command.ts";
import { text, toggle } from "../flags.ts";
import { checkEmpty } from "../folder.ts";
import { copyFiles, downloadSnapshot, type Snapshot } from "../hub/index.ts";
import type { Terminal } from "../terminal/terminal.ts";

export const command = defineCommand({
  arguments: [{ name: "<name>", summary: "a model or adapter on the Hub: ORG/NAME" }],
  options: {
    revision: text("name", "a branch, a tag or a commit", { default: "main" }),
    out: text("folder", "copy the files to this folder, too"),
    overwrite: toggle("write into a folder that is not empty"),
  },
  examples: [
    "download Qwen/Qwen2-0.5B",
    "download ORG/NAME --revision v1.0 --out models/name",
    "train --base Qwen/Qwen2-0.5B --text notes.txt --out notes",
  ],
  notes:
    "Takes config.json, the tokenizer and the weights as safetensors (of an adapter: its two files), and nothing else.\n" +
    "Prints the folder. What is in the cache is checked, not downloaded again; what was interrupted goes on.\n" +
    "Environment: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT (seconds).",
  async run({ args: [repo], options }, terminal) {
    const { revision, out, overwrite } = options;
    if (out !== undefined) checkEmpty("--out", out, overwrite);
    const shown = bytesShown(terminal, repo);
    let snapshot: Snapshot;
    try {
      const { tell } = shown;
      snapshot = await downloadSnapshot(repo, {
        revision,
        env: terminal.io.env,
        note: (line) => terminal.note(line),
        tell,
      });
    } finally {
      shown.done();
    }
    const names = snapshot.files.map(({ name }) => name);
    if (out !== undefined) copyFiles(snapshot.folder, names, out);
    if (!names.some((name) => name.endsWith(".safetensors")))
      terminal.note(`${repo}: there are no weights, only ${names.join(", ")}`);
    const bytes = snapshot.files.reduce((sum, file) => sum + file.bytes, 0);
    const came = snapshot.files.reduce((sum, file) => sum + (file.cached ? 0 : file.bytes), 0);
    terminal.note(
      `${names.length} files, ${megabytes(bytes)} MB (${came === 0 ? "all were in the cache" : `${megabytes(came)} MB came`}), commit ${snapshot.commit}`,
    );
    const folder = out ?? snapshot.folder;
    terminal.result({ ...snapshot, snapshot: snapshot.folder, folder, bytes }, () => terminal.print(folder));
  },
});

const megabytes = (bytes: number): string => {
  const value = bytes / 1e6;
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
};

/** A progress in megabytes, which begins again when more files become known. */
function bytesShown(terminal: Terminal, repo: string) {
  let known = 0;
  let bar: ReturnType<Terminal["progress"]> | undefined;
  return {
    tell(done: number, total: number, name: string): void {
      const [unit, size] = total >= 1e7 ? ["MB", 1e6] : ["kB", 1e3];
      if (total !== known) {
        bar?.done();
        bar = terminal.progress(repo, Math.ceil(total / size), unit as string);
        known = total;
      }
      bar?.update(Math.floor(done / size), name);
    },
    done: (): void => bar?.done(),
  };
}
