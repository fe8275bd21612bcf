/** @file The continuous integration runs .ci/run on the Nodes that it states; editors indent as the formatter does. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const ci = suite("continuous integration");

const workflow = readFileSync(".github/workflows/ci.yml", "utf8");
const script = readFileSync(".ci/run", "utf8");

/** The group of `pattern` in `text`. */
function found(pattern: RegExp, text: string): string {
  const [, group] = pattern.exec(text) ?? [];
  assert.ok(group, String(pattern));
  return group as string;
}

ci("the workflow has a job for each Node, the oldest and the newest of which .ci/run takes by itself", () => {
  const jobs = found(/^ +node: \[(.*)\]$/m, workflow).split(", ");
  const own = found(/^for major in \$\{LOWRANK_CI_NODES-(.*)\}; do$/m, script).split(" ");
  assert.equal(own, [jobs[0], jobs.at(-1)]);
  assert.is(found(/LOWRANK_CI_NODES: (\S+)/, workflow), '""');
  assert.match(workflow, "run: bash .ci/run\n");
  const { engines } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.is(engines.node, `>=${jobs[0]}`);
});

ci("LOWRANK_CI_NODES says on which Nodes .ci/run repeats the tests", () => {
  const loop = found(/^(for major in .*; do)$/m, script);
  const majors = (env: object): string =>
    execFileSync("sh", ["-c", `${loop} echo $major; done`], {
      encoding: "utf8",
      env: { ...env, PATH: process.env.PATH },
    })
      .trim()
      .replaceAll("\n", " ");
  assert.is(majors({}), "20 26");
  assert.is(majors({ LOWRANK_CI_NODES: "22 26" }), "22 26");
  assert.is(majors({ LOWRANK_CI_NODES: "" }), "");
});

ci("every npm script and program that .ci/run runs is there", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const [, name] of script.matchAll(/npm run (?:-s )?([\w:-]+)/g))
    assert.ok(scripts[name], `npm run ${name}`);
  for (const [, file] of script.matchAll(/npx tsx (\S+)/g))
    assert.ok(existsSync(file.replace(/"$/, "")), file);
});

ci(".editorconfig agrees with biome.json", () => {
  const { formatter } = JSON.parse(readFileSync("biome.json", "utf8"));
  const all = found(/\[\*\]\n([^[]*)/, readFileSync(".editorconfig", "utf8"));
  assert.is(found(/indent_style = (\w+)/, all), formatter.indentStyle);
  assert.is(Number(found(/indent_size = (\d+)/, all)), formatter.indentWidth);
  assert.is(Number(found(/max_line_length = (\d+)/, all)), formatter.lineWidth);
});

ci.run();
