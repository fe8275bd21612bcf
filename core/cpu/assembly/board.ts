/**
 * @file The job board: how the threads share one job. All threads run this same module over one memory.
 *
 * A kernel is a function of a chunk number. JavaScript writes its arguments on the board, a part of the memory. A job
 * is a kernel and a number of chunks. A thread that is free takes the next chunk, so a thread that the system
 * interrupts delays one chunk only. The result of a chunk depends on its number alone, so the bits of a result do not
 * depend on how many threads there were.
 *
 * The addresses of the board, in bytes. Words that several threads write are in cache lines of their own:
 */

/**
 * i64: the job's number in the high half, the number of chunks not yet taken in the low half, to be exchanged as one.
 */
const TICKET: usize = 1024;
/** i32: finished chunks of the job. */
const DONE: usize = 1088;
/** i32: 1 while the main thread sleeps on DONE. */
const MAIN_SLEEPS: usize = 1152;
/** i32: changes with every job. Idle workers sleep on it. */
const WAKE: usize = 1216;
/** i32: sleeping workers. */
const SLEEPERS: usize = 1280;
/** i32: threads that may take part in a job, the main thread included. JavaScript sets it. */
const THREADS: usize = 1344;
/** i32: 1 where the main thread may sleep, which it may not in a page. JavaScript sets it. */
const MAY_SLEEP: usize = 1348;
/** i32: workers that have started. */
const STARTED: usize = 1408;
/** i32: the job's kernel, and its number of chunks. */
const KERNEL: usize = 1472;
const CHUNKS: usize = 1476;
/** The kernel's arguments, 4 bytes each. */
const ARGUMENTS: usize = 1536;

/** How often an idle worker reads WAKE before it goes to sleep (about 40 µs), and the main thread DONE. */
const WORKER_LOOKS: i32 = 40000;
const MAIN_LOOKS: i32 = 40000;

/** The number of this thread; 0 for the main thread. */
export let thread: i32 = 0;

/** The kernel's argument number `index` as an integer. */
// @ts-ignore: decorator
@inline
export function argument(index: i32): i32 {
  return load<i32>(ARGUMENTS + (<usize>index << 2));
}

/** The kernel's argument number `index` as an address or a number of bytes. */
// @ts-ignore: decorator
@inline
export function pointer(index: i32): usize {
  return load<usize>(ARGUMENTS + (<usize>index << 2));
}

/** The kernel's argument number `index` as a float, of which JavaScript wrote the bits. */
// @ts-ignore: decorator
@inline
export function float(index: i32): f32 {
  return load<f32>(ARGUMENTS + (<usize>index << 2));
}

/** The number of chunks in the job. */
// @ts-ignore: decorator
@inline
export function chunks(): i32 {
  return load<i32>(CHUNKS);
}

/** When `count` items are divided into `parts`: the first item of part number `part`. It ends where the next begins. */
// @ts-ignore: decorator
@inline
export function share(part: i32, parts: i32, count: i32): i32 {
  return <i32>((<i64>count * part) / parts);
}

/** When `count` items are divided among the chunks of the job: the first item of chunk number `chunk`. */
// @ts-ignore: decorator
@inline
export function start(chunk: i32, count: i32): i32 {
  return share(chunk, chunks(), count);
}

/** Computes one chunk of a kernel. */
export type Kernels = (kernel: i32, chunk: i32) => void;

/** Takes chunks and computes them until none is left. */
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

/** Runs a job whose arguments are on the board, with all threads if that is worth it, and returns when it is done. */
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

/** The main thread waits for the chunks that other threads have taken. */
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

/** The loop of worker number `index`: takes part in each job, and sleeps when there has been none for a while. */
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
