/**
 * @file WebGPU without a GPU: Debian's chromium package carries SwiftShader, a Vulkan driver in software, and a
 * Vulkan loader. Call `useSwiftShader` before the first WebGPU device is opened; without effect elsewhere, or
 * where VK_DRIVER_FILES names a driver already.
 */

import { existsSync } from "node:fs";
import { constants } from "node:os";

const folder = "/usr/lib/chromium";

/** glibc: the library stays loaded, and whoever asks for one of its name later gets it. */
const RTLD_NODELETE = 0x1000;

export function useSwiftShader(): void {
  const driver = `${folder}/vk_swiftshader_icd.json`;
  if (process.env.VK_DRIVER_FILES || !existsSync(driver)) return;
  process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = driver;
  process.env.XDG_RUNTIME_DIR ??= "/tmp"; // else the loader complains
  try {
    process.dlopen({ exports: {} }, `${folder}/libvulkan.so.1`, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch {
    // It is no Node module, and Node says so after having loaded it.
  }
}
