import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { farShift, nodeTypes } from "../../notebooks/support/data/declarations.ts";
import { holdOut } from "../../notebooks/support/data/text.ts";

const data = suite("text data");

const files = nodeTypes();

data("the files are sorted by name, unique, and equal at every call", () => {
  const names = files.map(({ name }) => name);
  assert.equal(names, [...new Set(names)]);
  for (const name of ["fs", "fs/promises", "crypto", "tls", "https"]) assert.ok(names.includes(name), name);
  assert.equal(nodeTypes(), files);
});

data("every text is printable ASCII and line feeds: at most 96 symbols", () => {
  for (const { declarations, prose } of files) assert.match(declarations + prose, /^[\n -~]*$/);
});

data("declarations contain no comments, and strings that look like comments are kept", () => {
  const code = files.map(({ declarations }) => declarations).join("");
  const withoutStrings = code.replace(/"[^"\n]*"|'[^'\n]*'|`[^`]*`/g, '""');
  assert.not.match(withoutStrings, /\/\*|\*\/|^\s*\/\//m);
  assert.match(code, /declare module "node:fs"/);
  assert.match(code, /https?:\/\/|"\/|`\//); // a slash within quotes
});

data("prose consists of sentences, without comment signs and code blocks", () => {
  const { prose } = files.find(({ name }) => name === "fs")!;
  assert.not.match(prose, /^ \*|\/\*\*|\*\/|```/m);
  assert.match(prose, /Asynchronously/);
  assert.ok((prose.match(/\bthe\b/g)?.length ?? 0) > 500);
});

data("the far shift goes from all declarations to all prose, of the documented sizes", () => {
  const { source, target } = farShift();
  assert.ok(source.length > 0.7e6 && target.length > 0.8e6);
  const { declarations, prose } = files.find(({ name }) => name === "fs")!;
  assert.ok(source.includes(declarations) && target.includes(prose));
});

data("holding out loses nothing and takes a tenth of every region", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (text, block) => {
      const { train, validation } = holdOut(text, { block, every: 3 });
      assert.is(train.length + validation.length, text.length);
      assert.is(validation.slice(0, block), text.slice(2 * block, 3 * block));
      assert.is(train.slice(0, 2 * block), text.slice(0, 2 * block));
    }),
  );
  const { train, validation } = holdOut(farShift().target);
  assert.ok(Math.abs(validation.length / (train.length + validation.length) - 0.1) < 0.01);
});

data.run();
