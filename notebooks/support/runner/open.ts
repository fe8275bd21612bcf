/** @file Opens a page in the user's browser. */
import { pathToFileURL } from "node:url";
import open from "open";

/** Opens the page and returns whether that worked: false if the system's opener fails within two seconds. */
export async function openInBrowser(path: string): Promise<boolean> {
  try {
    const opener = await open(pathToFileURL(path).href);
    const code = await new Promise((resolve) => {
      const timer = setTimeout(resolve, 2000, 0); // still running: it is the browser
      const ended = (code: number | null): void => {
        clearTimeout(timer);
        resolve(code);
      };
      if (opener.exitCode !== null) ended(opener.exitCode);
      else opener.once("exit", ended);
    });
    return code === 0;
  } catch {
    return false;
  }
}
