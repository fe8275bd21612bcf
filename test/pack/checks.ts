/** @file The list of checks: each is done, fails with a reason, or is skipped with one. */

/** Why a check cannot be done here. */
export class Skipped extends Error {}

/** How many checks there have been. */
export const totals = { passed: 0, failed: 0, skipped: 0 };

/** What the names of the checks to do hold; all are done while it is empty. */
let wanted: readonly string[] = [];

/** Does only checks whose names hold one of these texts. */
export function only(texts: readonly string[]): void {
  wanted = texts.map((text) => text.toLowerCase());
}

/** Does one check, and prints what it found. @param body returns what is worth saying */
export async function check(name: string, body: () => string | Promise<string>): Promise<void> {
  if (wanted.length > 0 && !wanted.some((text) => name.toLowerCase().includes(text))) return;
  const began = performance.now();
  const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  try {
    const found = await body();
    totals.passed++;
    console.log(`✓ ${name}  ${found}  (${seconds()})`);
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof Skipped) {
      totals.skipped++;
      console.log(`skipped: ${name}: ${message}`);
    } else {
      totals.failed++;
      console.log(`✗ ${name}  (${seconds()})\n${message.replace(/^/gm, "    ")}`);
    }
  }
}

/** @throws Error with `message` unless `condition` */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
