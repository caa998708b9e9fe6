/** The page is asked for in the terminal: the OpenCode that is shown serves it and calls the browser. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { LIMIT as options, skip, useAttached } from "./use-terminal.js";
import { freePort, home } from "./web-support.js";

const user = home();
const port = await freePort();

void describe("in the terminal", { skip }, () => {
  after(() => user.remove());
  const bed = useAttached({ env: user.env, pluginOptions: { web: { port } } });

  test("a command opens the page of the OpenCode that is shown", options, async () => {
    const { host, terminal } = bed;
    const from = host.events.cursor;
    await terminal.type("/jobs-page");
    await terminal.waitFor(/\/jobs-page +Open it in the browser/);
    await terminal.press("Enter");
    const words = /^Your browser was called for (\S+)$/u;
    const { properties } = await host.waitFor(
      "tui.toast.show",
      ({ message }) => words.test(message),
      { from },
    );
    const link = new URL(words.exec(properties.message)?.[1] ?? "");
    assert.equal(link.port, String(port));
    const called = readFileSync(join(user.folder, "xdg-open.called"), "utf8");
    const ticket = new URL(called.trim()).hash.replace("#ticket=", "");
    const response = await fetch(new URL("/api/ticket", link.origin), {
      method: "POST",
      body: JSON.stringify({ ticket }),
    });
    assert.equal(response.status, 200);
  });
});
