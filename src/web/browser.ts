/** Calls the user's browser, which the system knows. */
import { spawn } from "node:child_process";

/** By the platform: the program that opens an address. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly [file: string, ...args: string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Of a runtime that was told to be one, and of no business to a browser. */
const RUNTIME_VARIABLES = ["BUN_BE_BUN", "ELECTRON_RUN_AS_NODE"];

/** Resolves when it was started; rejects with the system's error when there is none. */
export function openBrowser(
  address: string,
  env: NodeJS.ProcessEnv = process.env,
  platform = process.platform,
): Promise<void> {
  const [file, ...args] = OPENERS[platform] ?? ["xdg-open"];
  const kept = Object.entries(env).filter(([name]) => !RUNTIME_VARIABLES.includes(name));
  return new Promise((resolve, reject) => {
    const browser = spawn(file, [...args, address], {
      detached: true,
      stdio: "ignore",
      env: Object.fromEntries(kept),
    });
    browser.once("error", reject);
    browser.once("spawn", () => {
      browser.unref();
      resolve();
    });
  });
}
