/** @file Warnings: what can be done but is hardly meant. Each is said once, on the console. */

const said = new Set<string>();

/** Says `message` on the console, unless it has been said before. */
export function warn(message: string): void {
  if (said.has(message)) return;
  said.add(message);
  console.warn(`lowrank: ${message}`);
}
