import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const folders = suite("folders of the notebooks");

const paths = readdirSync("notebooks", { recursive: true, encoding: "utf8" }).map((path) =>
  join("notebooks", path),
);
const sources = paths.filter((path) => /^notebooks.(support|papers).*\.(ts|css)$/.test(path));

/** Files of this repository that `file` imports by a relative path. */
function imports(file: string): string[] {
  const found = readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^;]*? from "(\.[^"]+)";/gm);
  return Array.from(found, ([, from]) => normalize(join(dirname(file), from)));
}

folders("support imports no paper, a paper no other paper, and both reach the library by its name", () => {
  assert.ok(sources.length > 50);
  const wrong = sources.flatMap((file) => {
    const [, kind, paper] = file.split("/");
    return imports(file)
      .filter((target) => {
        const own = kind === "papers" ? [`notebooks/papers/${paper}/`] : [];
        // The example of a method of one's own, which CONTRIBUTING shows, is tried beside the library's.
        const example = kind === "papers" ? ["test/lora/methods/vera.ts"] : [];
        return !["notebooks/support/", ...own, ...example].some((allowed) => target.startsWith(allowed));
      })
      .map((target) => `${file}: ${target}`);
  });
  assert.equal(wrong, []);
});

folders("no folder of support or papers has more than fifteen entries", () => {
  const full = [...new Set(sources.map(dirname))].filter((folder) => readdirSync(folder).length > 15);
  assert.equal(full, []);
});

folders("a file longer than 300 lines gives its reason", () => {
  const long = sources.filter((file) => {
    const text = readFileSync(file, "utf8");
    return text.split("\n").length > 301 && !/Longer than 300 lines because/.test(text);
  });
  assert.equal(long, []);
});

folders.run();
