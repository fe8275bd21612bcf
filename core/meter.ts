/** @file The memory meter: bytes alive now and at their peak, by what they are for. Counted, never estimated. */

/** What bytes are for. A temporary is `workspace`; it becomes `saved` while a graph keeps it for backward. */
export const categories = [
  "weights",
  "adapters",
  "gradients",
  "optimizer",
  "saved",
  "quantized",
  "workspace",
] as const;
export type Category = (typeof categories)[number];

export type Bytes = Record<Category, number>;

/** Bytes on the host by category, and copies resident on a device. */
export interface MemoryReport {
  /** Alive at the end. */
  readonly live: Readonly<Bytes>;
  /** Each category's own highest point. */
  readonly peak: Readonly<Bytes>;
  /** Highest point of the sum over all categories (less than the sum of `peak`, whose highest points differ in time). */
  readonly peakTotal: number;
  /** Bytes resident on a device: alive at the end, and at the highest point. */
  readonly device: { readonly live: number; readonly peak: number };
}

const zero = (): Bytes => Object.fromEntries(categories.map((category) => [category, 0])) as Bytes;

const live = zero();
let total = 0;
let device = 0;

interface Watch {
  peak: Bytes;
  peakTotal: number;
  peakDevice: number;
}
const watches = new Set<Watch>();

/** Adds host bytes, or subtracts them when negative. */
export function count(category: Category, bytes: number): void {
  live[category] += bytes;
  total += bytes;
  if (bytes > 0) {
    for (const watch of watches) {
      if (live[category] > watch.peak[category]) watch.peak[category] = live[category];
      if (total > watch.peakTotal) watch.peakTotal = total;
    }
  }
}

/** Moves bytes from one category to another; the total is unchanged. */
export function recount(from: Category, to: Category, bytes: number): void {
  live[from] -= bytes;
  live[to] += bytes;
  for (const watch of watches) {
    if (live[to] > watch.peak[to]) watch.peak[to] = live[to];
  }
}

interface Entry {
  readonly category: Category;
  readonly bytes: number;
}

/**
 * Counts `bytes` that no Storage holds, such as packed codes, until `owner` is garbage collected.
 * @returns a function that takes them off at once
 */
export function countFor(owner: object, category: Category, bytes: number): () => void {
  const entry: Entry = { category, bytes };
  count(category, bytes);
  owned?.register(owner, entry, entry);
  return () => {
    if (owned?.unregister(entry) !== false) takeOff(entry);
  };
}

const takeOff = ({ category, bytes }: Entry): void => count(category, -bytes);

const owned = typeof FinalizationRegistry === "undefined" ? null : new FinalizationRegistry<Entry>(takeOff);

/** Adds bytes resident on a device, or subtracts them when negative. */
export function countDevice(bytes: number): void {
  device += bytes;
  for (const watch of watches) if (device > watch.peakDevice) watch.peakDevice = device;
}

/** Bytes alive now, by category. */
export function liveBytes(): Bytes {
  return { ...live };
}

/** Starts watching for peaks; the returned function stops and reports. Temporaries made before do not count. */
export function watch(): () => MemoryReport {
  const before = { workspace: live.workspace, saved: live.saved };
  const own: Watch = { peak: { ...live }, peakTotal: total, peakDevice: device };
  const since = (bytes: Bytes): Bytes => ({
    ...bytes,
    workspace: bytes.workspace - before.workspace,
    saved: bytes.saved - before.saved,
  });
  watches.add(own);
  return () => {
    watches.delete(own);
    return {
      live: since(live),
      peak: since(own.peak),
      peakTotal: own.peakTotal - before.workspace - before.saved,
      device: { live: device, peak: own.peakDevice },
    };
  };
}
