/** @file The same matrix product on every device of this machine, against float64. */
import { matmul, tensor } from "lowrank/autograd";
import { kernelCounts, listDevices, type Random, withDevice, withPrecision } from "lowrank/core";
import { type Table, table } from "../../support/show/table.ts";

/** 100 × 300 times 300 × 50 random numbers in [0, 1): the error of each device in ULP, the distance of float32 numbers. */
export function devicesTable(rng: Random): Table {
  const [a, b] = [tensor(rng.uniform(30_000), [100, 300]), tensor(rng.uniform(15_000), [300, 50])];
  const exact = withPrecision("float64", () => Float64Array.from(matmul(a, b).value.data));
  const ulp = (value: number): number => 2 ** (Math.floor(Math.log2(Math.abs(value))) - 23);
  const rows = listDevices().map(({ name, works, detail, software }) => {
    const answer = detail.replace(`${name}: `, "").replace(/ \(gpu:.*$/, "");
    if (!works) return { device: name, "what answers, or why not": answer };
    const before = kernelCounts();
    const product = withDevice(name, () => matmul(a, b).toArray());
    const ran = Object.entries(kernelCounts()).filter(([kernel, count]) => count > (before[kernel] ?? 0));
    const errors = Array.from(product, (value, i) => Math.abs(value - exact[i]) / ulp(exact[i]));
    return {
      device: name,
      "what answers, or why not": software ? `${answer} (no GPU)` : answer,
      "largest error, ULP": Math.max(...errors),
      "within K u Σ|ab|": errors.every((error, i) => error * ulp(exact[i]) <= 300 * 2 ** -24 * exact[i]),
      "what ran": ran.map(([kernel]) => kernel).join(", "),
    };
  });
  return table(rows, { title: "One product, many devices", volatile: true });
}
