/** @file Opens a page in the browser. */
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import open from "open";

/** True unless the system says within two seconds that there is nothing to open it with. */
export async function openInBrowser(path: string): Promise<boolean> {
  try {
    const opener = await open(pathToFileURL(path).href);
    const [code] = await once(opener, "exit", { signal: AbortSignal.timeout(2000) });
    return code === 0;
  } catch (error) {
    return (error as Error).name === "AbortError"; // still at work: a browser
  }
}
