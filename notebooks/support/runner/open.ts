/** @file Opens a page in the browser. */
import { pathToFileURL } from "node:url";
import open from "open";

/** True unless the system says within two seconds that there is nothing to open it with. */
export async function openInBrowser(path: string): Promise<boolean> {
  try {
    const opener = await open(pathToFileURL(path).href);
    const code = await new Promise((resolve) => {
      const timer = setTimeout(resolve, 2000, 0); // still at work: a browser
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
