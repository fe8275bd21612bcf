/** @file Finds a Chromium on this machine, for tests and screenshots. */
import { accessSync, constants } from "node:fs";

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** The browser that `CHROMIUM` names, or the first found in the usual places. */
export function findChromium(): string | undefined {
  return process.env.CHROMIUM ?? places.find(isExecutable);
}

/** Options that keep the browser from network traffic of its own. */
export const quiet: readonly string[] = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const noChromium = `no browser found at ${places.join(", ")}`;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
