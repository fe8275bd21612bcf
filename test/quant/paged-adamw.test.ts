/** @file PagedAdamW against AdamW: pages, evictions, full disks, and the page file. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { type Parameter, parameter, tensor } from "lowrank/autograd";
import {
  ArgumentError,
  array,
  liveBytes,
  makeTemporaryFolder,
  random,
  removeFile,
  watch,
  withPrecision,
} from "lowrank/core";
import { type AdamSettings, AdamW } from "lowrank/nn";
import { PagedAdamW, type PagedAdamWOptions, Pager, PagingError } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openPageFile } from "../../quant/optim/pages.node.ts";
import { watching } from "../support/faults.ts";

const test = suite("PagedAdamW");

const folder = makeTemporaryFolder("lowrank-test-");
test.after(() => removeFile(folder));

const parameters = (sizes: readonly number[]): Parameter[] =>
  sizes.map((size, i) => parameter(array(random(i).normal(size), [size])));

/** Gradients for some of the parameters, the others none: what `active` says. */
function giveGradients(all: readonly Parameter[], seed: number, active: readonly boolean[]): void {
  all.forEach((each, i) => {
    each.grad = active[i] ? tensor(random(1000 * seed + i).normal(each.size), each.shape) : null;
  });
}

const values = (all: readonly Parameter[]): Float32Array[] => all.map((each) => each.toArray());

const plain = (optimizer: AdamW) => {
  const { steps, arrays } = optimizer.stateDict();
  return { steps, arrays: [...arrays].map(([name, { shape, data }]) => [name, shape, [...data]]) };
};

test("the meter counts no more optimizer state than the budget", () => {
  const all = parameters([1000, 3000]);
  const paged = new PagedAdamW(all, { budget: 4096, pageBytes: 1024, folder });
  const before = liveBytes().optimizer;
  const stop = watch();
  for (let step = 0; step < 3; step++) {
    giveGradients(all, step, [true, true]);
    paged.step();
  }
  const { peak } = stop();
  assert.ok(peak.optimizer - before <= 4096, `${peak.optimizer - before}`);
  assert.is(liveBytes().optimizer - before, paged.paging.residentBytes);
  paged.close();
  assert.is(liveBytes().optimizer, before);
});

test("faults, evictions and bytes are those of least recently used pages, swept forwards and backwards", () => {
  // 8 pages of 128 bytes; room for 3.
  const all = parameters([128]);
  const paged = new PagedAdamW(all, { budget: 3 * 128, pageBytes: 128, folder });
  const step = (): void => {
    giveGradients(all, 1, [true]);
    paged.step();
  };
  step(); // first use: nothing to read; 5 of the 8 leave
  assert.equal(paged.paging, {
    faults: 0,
    evictions: 5,
    bytesRead: 0,
    bytesWritten: 5 * 128,
    residentBytes: 384,
    peakResidentBytes: 384,
  });
  assert.equal(
    paged.pageTable.map(({ resident }) => resident),
    [0, 1, 2, 3, 4, 5, 6, 7].map((page) => page >= 5),
  );
  step(); // backwards: 7, 6, 5 are there, 4 … 0 are read
  assert.is(paged.paging.faults, 5);
  assert.is(paged.paging.evictions, 10);
  assert.equal(
    paged.pageTable.map(({ resident }) => resident),
    [0, 1, 2, 3, 4, 5, 6, 7].map((page) => page < 3),
  );
  assert.equal(
    paged.pageTable.map(({ lastUsed }) => lastUsed),
    [16, 15, 14, 13, 12, 11, 10, 9],
  );
  assert.is(paged.paging.bytesRead, 5 * 128);
  assert.ok(paged.pageTable.filter(({ resident }) => resident).every(({ dirty }) => dirty));
  paged.close();
});

test("no page is evicted while all fit into the budget", () => {
  const all = parameters([100, 50]);
  const paged = new PagedAdamW(all, { budget: 1 << 20, folder });
  for (let step = 0; step < 3; step++) {
    giveGradients(all, step, [true, true]);
    paged.step();
  }
  const { faults, evictions, bytesRead, bytesWritten } = paged.paging;
  assert.equal([faults, evictions, bytesRead, bytesWritten], [0, 0, 0, 0]);
  assert.is(paged.paging.residentBytes, 150 * 8);
  paged.close();
});

test("a state loads into AdamW, from AdamW and with other page sizes, and training continues bit for bit", () => {
  const settings: Partial<AdamSettings> = { lr: 0.05, amsgrad: true };
  const make = (kind: number, all: Parameter[]): AdamW =>
    kind === 0
      ? new AdamW(all, settings)
      : new PagedAdamW(all, { ...settings, budget: kind * 256, pageBytes: kind * 64, folder });
  const sizes = [70, 3];
  const expected = parameters(sizes);
  const whole = make(0, expected);
  for (let step = 0; step < 6; step++) {
    giveGradients(expected, step, [true, step > 2]);
    whole.step();
  }
  for (const [first, second] of [
    [0, 1],
    [1, 0],
    [2, 3],
  ]) {
    const all = parameters(sizes);
    let optimizer = make(first, all);
    for (let step = 0; step < 6; step++) {
      if (step === 3) {
        const next = make(second, all);
        next.loadStateDict(optimizer.stateDict());
        optimizer = next;
      }
      giveGradients(all, step, [true, step > 2]);
      optimizer.step();
    }
    assert.equal(values(all), values(expected));
    assert.equal(plain(optimizer), plain(whole));
  }
});

test("AMSGrad turned on between steps computes what it does in AdamW", () => {
  const [a, b] = [parameters([50]), parameters([50])];
  const optimizers = [
    new AdamW(a, { lr: 0.1 }),
    new PagedAdamW(b, { lr: 0.1, budget: 128, pageBytes: 64, folder }),
  ];
  for (let step = 0; step < 4; step++) {
    for (const [i, optimizer] of optimizers.entries()) {
      if (step === 2) optimizer.groups[0].amsgrad = true;
      giveGradients([a, b][i], step, [true]);
      optimizer.step();
    }
  }
  assert.equal(values(b), values(a));
});

test("a full disk is an error that loses no state: once there is room, step() continues to the same numbers", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 14 }), fc.nat(2), (writes, failures) => {
      let left = writes;
      const memory = new Uint8Array(1 << 16);
      const openFile: PagedAdamWOptions["openFile"] = () => ({
        path: "memory",
        write(bytes, offset) {
          // Half a page arrives before the disk is full.
          memory.set(left > 0 ? bytes : bytes.subarray(0, bytes.length / 2), offset);
          if (left-- <= 0) throw new Error("ENOSPC: no space left on device");
        },
        read: (bytes, offset) => bytes.set(memory.subarray(offset, offset + bytes.length)),
        close() {},
      });
      const sizes = [60, 20];
      const [a, b] = [parameters(sizes), parameters(sizes)];
      const reference = new AdamW(a, { lr: 0.1 });
      const paged = new PagedAdamW(b, { lr: 0.1, budget: 128, pageBytes: 64, openFile });
      for (let step = 0; step < 3; step++) {
        giveGradients(a, step, [true, true]);
        giveGradients(b, step, [true, true]);
        reference.step();
        for (let attempt = 0; ; attempt++) {
          try {
            paged.step();
            break;
          } catch (error) {
            assert.instance(error, PagingError);
            assert.match((error as Error).message, /nothing is lost.*ENOSPC/);
            if (attempt >= failures) left = 1000; // somebody made room
          }
        }
        assert.equal(values(b), values(a));
      }
      left = 1000;
      assert.equal(plain(paged), plain(reference));
    }),
  );
});

test("a full disk while a state is loaded, or while AMSGrad adds its pages, leaves the state unchanged", () => {
  let left = Infinity;
  const memory = new Uint8Array(1 << 16);
  const openFile: PagedAdamWOptions["openFile"] = () => ({
    path: "memory",
    write(bytes, offset) {
      if (left-- <= 0) throw new Error("ENOSPC: no space left on device");
      memory.set(bytes, offset);
    },
    read: (bytes, offset) => bytes.set(memory.subarray(offset, offset + bytes.length)),
    close() {},
  });
  const all = parameters([60, 20]);
  const paged = new PagedAdamW(all, { lr: 0.1, budget: 128, pageBytes: 64, openFile });
  const step = (seed: number): void => {
    giveGradients(all, seed, [true, true]);
    paged.step();
  };
  step(1);
  const saved = paged.stateDict();
  step(2);
  const before = plain(paged);
  for (let writes = 0; ; writes++) {
    const pages = paged.pageTable.length;
    left = writes;
    try {
      paged.loadStateDict(saved);
      break;
    } catch (error) {
      assert.instance(error, PagingError);
      left = Infinity;
      assert.equal(plain(paged), before, `after ${writes} writes`);
      assert.is(paged.pageTable.length, pages);
    }
  }
  left = Infinity;
  step(2);
  assert.equal(plain(paged), before);
  paged.groups[0].amsgrad = true;
  left = 3;
  assert.throws(
    () => step(3),
    (error: unknown) => error instanceof PagingError,
  );
  left = Infinity;
  assert.equal(plain(paged).steps, before.steps);
});

test("a budget smaller than a page, a page smaller than an element and a missing folder are refused", () => {
  const all = parameters([4]);
  const refuses = (options: PagedAdamWOptions, message: RegExp, kind: new (...args: never[]) => Error) =>
    assert.throws(
      () => new PagedAdamW(all, options),
      (error: Error) => error instanceof kind && message.test(error.message),
    );
  refuses(
    { budget: 1000, pageBytes: 1024, folder },
    /a budget of at least one page, 1024 bytes/,
    ArgumentError,
  );
  refuses({ budget: 100_000, folder }, /at least one page, 262144 bytes/, ArgumentError);
  refuses({ budget: Number.NaN, folder }, /at least one page/, ArgumentError);
  refuses({ budget: 1000, pageBytes: 8, folder }, /pageBytes of at least 12/, ArgumentError);
  refuses({ budget: 1000, pageBytes: 18, folder }, /multiple of 4/, ArgumentError);
  refuses(
    { budget: 1 << 20, folder: join(folder, "absent") },
    /cannot make a page file: ENOENT/,
    PagingError,
  );
  refuses({ budget: 1 << 20, lr: -1, folder }, /lr ≥ 0/, ArgumentError);
  const paged = new PagedAdamW(all, { budget: 1 << 20, folder });
  giveGradients(all, 1, [true]);
  assert.throws(() => withPrecision("float64", () => paged.step()), /expected float32/);
  paged.close();
  paged.close();
  assert.throws(() => paged.step(), /closed/);
  assert.throws(() => new Pager({ budget: 64, pageBytes: 64, folder }).add([17]), /at most 64 bytes a page/);
});

test("page files that may not be removed and folders that may not be listed are no error", () => {
  const own = makeTemporaryFolder("lowrank-test-");
  const gone = spawnSync(process.execPath, ["--version"]).pid;
  const refuse = (wanted: string, code: string) => (name: string, args: readonly unknown[]) => {
    if (name === wanted && String(args[0]).startsWith(own))
      throw Object.assign(new Error(`${code}: made up`), { code });
  };
  const left = () => readdirSync(own).sort();
  try {
    writeFileSync(join(own, `lowrank-pages-${gone}-0.bin`), "of another user");
    mkdirSync(join(own, `lowrank-pages-${gone}-1.bin`)); // rm refuses folders, whoever asks
    for (const code of ["EPERM", "EACCES", "EBUSY", "ENOENT"]) {
      const pager = watching(
        refuse("rmSync", code),
        () => new Pager({ budget: 64, pageBytes: 64, folder: own }),
      );
      assert.is(left().length, 3);
      pager.close();
    }
    const unlisted = watching(
      refuse("readdirSync", "EACCES"),
      () => new Pager({ budget: 64, pageBytes: 64, folder: own }),
    );
    unlisted.close();
    assert.is(left().length, 2);
    new Pager({ budget: 64, pageBytes: 64, folder: own }).close();
    assert.equal(left(), [`lowrank-pages-${gone}-1.bin`]);
    for (const code of ["ENOSPC", "EROFS", "EACCES"]) {
      assert.throws(
        () =>
          watching(
            refuse("openSync", code),
            () => new PagedAdamW(parameters([4]), { budget: 1 << 20, folder: own }),
          ),
        (error: Error) =>
          error instanceof PagingError && error.message.includes(`cannot make a page file: ${code}`),
      );
    }
    const files = Array.from({ length: 20 }, () => openPageFile(own));
    for (const file of files) file.close();
    assert.is(new Set(files.map(({ path }) => path)).size, 20);
  } finally {
    removeFile(own);
  }
});

test("page files are removed by close, at the end of the process, and after a crash when the next one opens", () => {
  const own = makeTemporaryFolder("lowrank-test-");
  const run = (end: string): string => {
    const script = `
      import { openPageFile } from ${JSON.stringify(join(process.cwd(), "quant/optim/pages.node.ts"))};
      const file = openPageFile(${JSON.stringify(own)});
      file.write(new Uint8Array(100), 50);
      process.stdout.write(file.path);
      ${end}`;
    const path = join(own, "run.mts");
    writeFileSync(path, script);
    return spawnSync(process.execPath, ["--import", "tsx", path], { encoding: "utf8" }).stdout;
  };
  const files = (): string[] => readdirSync(own).filter((name) => name.startsWith("lowrank-pages"));
  try {
    assert.match(run(""), /lowrank-pages-\d+-[0-9a-f]{32}\.bin$/);
    assert.equal(files(), []);
    const crashed = run("process.kill(process.pid, 'SIGKILL');");
    assert.ok(existsSync(crashed), "a killed process cannot clean");
    writeFileSync(join(own, `lowrank-pages-${process.ppid}-0.bin`), ""); // of a process that lives
    writeFileSync(join(own, "lowrank-pages-notes.txt"), "not ours");
    const pager = new Pager({ budget: 64, pageBytes: 64, folder: own });
    assert.equal(files().length, 3);
    assert.not(existsSync(crashed));
    assert.ok(existsSync(pager.path));
    pager.close();
    assert.not(existsSync(pager.path));
  } finally {
    removeFile(own);
  }
});

test.run();
