/** @file Ctrl-C and SIGTERM in the middle of a run: nothing half-written, nobody left behind, the right exit code. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const interrupts = suite<{ out: string; started: ChildProcess[] }>("interrupts");

interrupts.before.each(async (context) => {
  context.out = await mkdtemp(join(tmpdir(), "interrupts-"));
  context.started = [];
});
interrupts.after.each(async ({ out, started }) => {
  for (const { pid } of started) signalGroup(pid!, "SIGKILL");
  await rm(out, { recursive: true });
});

const require = createRequire(import.meta.url);
const tsx = pathToFileURL(require.resolve("tsx")).href;
const cli = fileURLToPath(new URL("./fixture-cli.ts", import.meta.url));

/** `npm start` on the notebooks for tests, in a process group of its own, as a shell starts it. */
function start(started: ChildProcess[], ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ["--import", tsx, cli, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  started.push(child);
  return child;
}

/** To all processes of a group, as a terminal sends Ctrl-C. False if there are none. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

/** Whether the last process of a group ends within a minute: esbuild's takes a moment to see that it is alone. */
async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 600 && signalGroup(pid, 0); i++) await delay(100);
  return !signalGroup(pid, 0);
}

/** Waits until each of `texts` has been printed. */
async function untilPrinted(command: ChildProcess, texts: readonly string[]): Promise<void> {
  let all = "";
  await new Promise<void>((resolve, reject) => {
    command.on("close", () => reject(new Error(`${texts} was not printed, but:\n${all}`)));
    for (const stream of [command.stdout!, command.stderr!])
      stream.on("data", (chunk) => {
        all += chunk;
        if (texts.every((text) => all.includes(text))) resolve();
      });
  });
}

const send: readonly [title: string, signal: NodeJS.Signals, code: number, toAll: boolean][] = [
  ["Ctrl-C in a terminal", "SIGINT", 130, true],
  ["SIGINT to the command alone", "SIGINT", 130, false],
  ["SIGTERM to the command alone", "SIGTERM", 143, false],
];
const runs: readonly [title: string, names: readonly string[]][] = [
  ["one notebook", ["endless"]],
  ["several notebooks", ["endless", "endless-too"]],
];
for (const [title, signal, code, toAll] of send) {
  for (const [what, names] of runs) {
    interrupts(`${title} ends ${what} at once: exit code ${code}`, async ({ out, started }) => {
      await writeFile(join(out, "endless.ipynb"), "old");
      const command = start(started, ...names, "--out", out, "--jobs", "2");
      await untilPrinted(
        command,
        names.map((name) => `✓ ${name}: computing`),
      );
      if (toAll) signalGroup(command.pid!, signal);
      else command.kill(signal);
      const [exitCode, by] = await once(command, "exit");
      assert.is(exitCode ?? (by === signal ? code : by), code);
      assert.ok(await isGone(command.pid!), "a process is left behind");
      assert.equal(await readdir(out), ["endless.ipynb"]);
      assert.is(await readFile(join(out, "endless.ipynb"), "utf8"), "old");
    });
  }
}

interrupts("when the shell started by npm is killed, the command ends too", async ({ out, started }) => {
  for (const [, names] of runs) {
    const command = `"$0" --import "$@"; :`; // a second command keeps the shell in between
    const args = ["-c", command, process.execPath, tsx, cli, ...names, "--out", out, "--jobs", "2"];
    const shell = spawn("sh", args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    started.push(shell);
    await untilPrinted(
      shell,
      names.map((name) => `✓ ${name}: computing`),
    );
    shell.kill("SIGTERM");
    assert.ok(await isGone(shell.pid!), "a process is left behind");
    assert.equal(await readdir(out), []);
  }
});

interrupts.run();
