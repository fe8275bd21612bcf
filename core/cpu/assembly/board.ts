/**
 * @file The job board: how the threads share one job. All threads run this same module over one memory.
 *
 * A kernel is a function of a chunk number; its arguments lie on the board, where JavaScript wrote them. A job
 * is a kernel and a number of chunks. Whoever is free takes the next chunk, so a thread that the system holds up
 * holds up one chunk only. What a chunk computes depends on its number alone, so the bits of a result do
 * not depend on how many threads there were.
 *
 * Addresses (bytes), each that several threads write in a cache line of its own:
 */

/** i64: high half, the job's number; low half, chunks nobody has taken. One word, so that taking is one exchange. */
const TICKET: usize = 1024;
/** i32: chunks finished. */
const DONE: usize = 1088;
/** i32: 1 while the main thread sleeps until DONE changes. */
const MAIN_SLEEPS: usize = 1152;
/** i32: raised with every job; idle workers sleep on it. */
const WAKE: usize = 1216;
/** i32: workers asleep. */
const SLEEPERS: usize = 1280;
/** i32: threads that may take part, the main thread included; set by JavaScript. */
const THREADS: usize = 1344;
/** i32: 1 where the main thread may sleep (not in a page); set by JavaScript. */
const MAY_SLEEP: usize = 1348;
/** i32: workers that have started. */
const STARTED: usize = 1408;
const KERNEL: usize = 1472;
const CHUNKS: usize = 1476;
/** The kernel's arguments, 4 bytes each. */
const ARGUMENTS: usize = 1536;

/** Looks at WAKE (about 40 µs) before an idle worker goes to sleep, and at DONE before the main thread does. */
const WORKER_LOOKS: i32 = 40000;
const MAIN_LOOKS: i32 = 40000;

/** 0 for the main thread. */
export let thread: i32 = 0;

// @ts-ignore: decorator
@inline
export function argument(index: i32): i32 {
  return load<i32>(ARGUMENTS + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function pointer(index: i32): usize {
  return load<usize>(ARGUMENTS + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function float(index: i32): f32 {
  return load<f32>(ARGUMENTS + (<usize>index << 2));
}

/** Number of chunks in the job. */
// @ts-ignore: decorator
@inline
export function chunks(): i32 {
  return load<i32>(CHUNKS);
}

/** First of `count` items that part number `part` of `parts` has; the part ends where the next begins. */
// @ts-ignore: decorator
@inline
export function share(part: i32, parts: i32, count: i32): i32 {
  return <i32>((<i64>count * part) / parts);
}

/** First of `count` items that chunk number `chunk` has. */
// @ts-ignore: decorator
@inline
export function start(chunk: i32, count: i32): i32 {
  return share(chunk, chunks(), count);
}

export type Kernels = (kernel: i32, chunk: i32) => void;

/** Takes chunks until none is left. */
function work(run: Kernels): void {
  for (;;) {
    const ticket = atomic.load<i64>(TICKET);
    const left = <i32>ticket;
    if (left == 0) return;
    if (atomic.cmpxchg<i64>(TICKET, ticket, ticket - 1) != ticket) continue;
    run(load<i32>(KERNEL), load<i32>(CHUNKS) - left);
    atomic.add<i32>(DONE, 1);
    if (atomic.load<i32>(MAIN_SLEEPS)) atomic.notify(DONE, 1);
  }
}

/** Runs a job whose arguments are on the board, and returns when it is done. */
export function runJob(kernel: i32, count: i32, run: Kernels): void {
  store<i32>(KERNEL, kernel);
  store<i32>(CHUNKS, count);
  if (ASC_FEATURE_THREADS) {
    if (count > 1 && load<i32>(THREADS) > 1 && atomic.load<i32>(STARTED) > 0) {
      atomic.store<i32>(DONE, 0);
      const job = atomic.add<i32>(WAKE, 1);
      atomic.store<i64>(TICKET, (<i64>job << 32) | <i64>count);
      atomic.add<i32>(WAKE, 1);
      if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(WAKE, -1);
      work(run);
      finish(count);
      return;
    }
  }
  for (let chunk = 0; chunk < count; chunk++) run(kernel, chunk);
}

/** Waits until every chunk is done. */
function finish(count: i32): void {
  for (let look = 0; look < MAIN_LOOKS; look++) if (atomic.load<i32>(DONE) == count) return;
  const maySleep = load<i32>(MAY_SLEEP);
  atomic.store<i32>(MAIN_SLEEPS, maySleep);
  for (;;) {
    const done = atomic.load<i32>(DONE);
    if (done == count) break;
    if (maySleep) atomic.wait<i32>(DONE, done, -1);
  }
  atomic.store<i32>(MAIN_SLEEPS, 0);
}

/** A worker's life. */
export function serveJobs(index: i32, run: Kernels): void {
  thread = index;
  if (ASC_FEATURE_THREADS) {
    atomic.add<i32>(STARTED, 1);
    for (;;) {
      const wake = atomic.load<i32>(WAKE);
      if (index < atomic.load<i32>(THREADS)) work(run);
      let look = 0;
      while (look < WORKER_LOOKS && atomic.load<i32>(WAKE) == wake) look++;
      if (look < WORKER_LOOKS) continue;
      atomic.add<i32>(SLEEPERS, 1);
      atomic.wait<i32>(WAKE, wake, -1);
      atomic.sub<i32>(SLEEPERS, 1);
    }
  }
}
