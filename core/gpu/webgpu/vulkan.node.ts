/**
 * @file Whether a Vulkan driver is installed. Dawn, asked for a device where there is none, writes warnings to
 * standard error that look like a crash, past any stream of Node; so it is asked only where a driver may answer.
 */

import { readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Where the Vulkan loader looks for drivers on Linux, by its document LoaderDriverInterface.md. */
function places(env: NodeJS.ProcessEnv): readonly string[] {
  const forced = env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES; // instead of all others; files, or folders of them
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

/** True where WebGPU may find a driver: on Linux by its manifest, elsewhere always, since the system brings one. */
export function mayHaveDriver(env = process.env, platform: NodeJS.Platform = process.platform): boolean {
  return platform !== "linux" || places(env).some(holdsManifest);
}

/** Whether `path` is a manifest, or a folder with one. */
function holdsManifest(path: string): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isDirectory()) return found !== undefined;
    return readdirSync(path).some((name) => name.endsWith(".json"));
  } catch {
    return false; // unreadable for this process, and so for the loader
  }
}
