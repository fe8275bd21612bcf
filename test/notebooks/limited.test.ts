import * as fc from "fast-check";
import { random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decode, taskDomain } from "../../notebooks/support/data/domain.ts";
import { limited } from "../../notebooks/support/data/limited.ts";
import { arithmetic } from "../../notebooks/support/data/tasks.ts";

const few = suite("few rows");

few("every batch consists of the rows drawn once, with their labels; validation is unchanged", () => {
  const time = 11;
  const all = taskDomain(arithmetic({ digits: 2, operation: "+" }), { time, test: 20, random: random(1) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(1000), (rows, seed) => {
      const domain = limited(all, { rows, random: random(seed) });
      const linesOf = ({ data, shape }: { data: Int32Array; shape: readonly number[] }): string[] =>
        Array.from({ length: shape[0] }, (_, row) =>
          data.subarray(row * shape[1], (row + 1) * shape[1]).join(),
        );
      const drawn = all.batch(rows, random(seed));
      const known = linesOf(drawn.ids).map((ids, i) => `${ids} ${linesOf(drawn.labels)[i]}`);
      const { ids, labels } = domain.batch(20, random(seed + 1));
      assert.equal(ids.shape, [20, time + 1]);
      assert.match(decode(ids.data), /^\d+\+\d+=/);
      linesOf(ids).forEach((line, i) => {
        assert.ok(known.includes(`${line} ${linesOf(labels)[i]}`));
      });
      assert.is(domain.validation, all.validation);
      assert.is.not(domain.hash, all.hash);
    }),
    { numRuns: 30 },
  );
});

few.run();
