/**
 * @file Finds out whether a Vulkan driver is installed. Where there is none, Dawn writes warnings to standard error
 * that look like a crash, and no stream of Node can catch them; so Dawn is asked for a device only where a driver may
 * answer.
 */

import { readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** The files and folders in which the Vulkan loader looks for drivers on Linux, by its LoaderDriverInterface.md. */
function places(env: NodeJS.ProcessEnv): readonly string[] {
  const forced = env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES; // files or folders, which replace all others
  if (forced) return forced.split(delimiter);
  const home = env.HOME || homedir();
  const folders = [
    env.XDG_CONFIG_HOME || join(home, ".config"),
    ...(env.XDG_CONFIG_DIRS || "/etc/xdg").split(delimiter),
    "/etc",
    env.XDG_DATA_HOME || join(home, ".local/share"),
    ...(env.XDG_DATA_DIRS || "/usr/local/share:/usr/share").split(delimiter),
  ];
  const added = env.VK_ADD_DRIVER_FILES?.split(delimiter) ?? [];
  return [...added, ...folders.map((folder) => join(folder, "vulkan/icd.d"))];
}

/**
 * True where WebGPU may find a driver: on Linux when a manifest is there, elsewhere always, since the system has one.
 */
export function mayHaveDriver(env = process.env, platform: NodeJS.Platform = process.platform): boolean {
  return platform !== "linux" || places(env).some(holdsManifest);
}

/** True when `path` is a manifest, or a folder with one. */
function holdsManifest(path: string): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isDirectory()) return found !== undefined;
    return readdirSync(path).some((name) => name.endsWith(".json"));
  } catch {
    return false; // unreadable for this process, and so for the loader
  }
}
