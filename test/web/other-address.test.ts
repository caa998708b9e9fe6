/** `web --host`: another address than loopback only with a token of the user's own, from a file that only they read. */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { silentLog, systemClock } from "../../src/ports.js";
import { serveWeb } from "../../src/web/main.js";
import type { WebServer } from "../../src/web/server.js";
import { call, machine } from "../cli/support.js";
import { pageFolder, reachable, stateFolder } from "./support.js";
import { processJob } from "../store/records.js";

const TOKEN = "my-own_token-of-24-chars";
const system = { clock: systemClock, log: silentLog, processes: machine };

/** What the command line does with these arguments; it serves until the test's end. */
function web(t: TestContext, root: string, ...args: string[]) {
  const interrupted = new AbortController();
  t.after(() => interrupted.abort());
  let onStart: (server: WebServer) => void;
  const started = new Promise<WebServer>((resolve) => {
    onStart = resolve;
  });
  const ended = call(["web", "--root", root, "--port", "0", ...args], {
    signal: interrupted.signal,
    web: async (request) => {
      const server = await serveWeb(request, { ...system, pageFolder: pageFolder() });
      onStart(server);
      return server;
    },
  });
  return { started, ended, end: () => interrupted.abort() };
}

function tokenFile(root: string, text: string, mode = 0o600): string {
  const file = join(dirname(root), "token");
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

void describe("web --host", () => {
  for (const host of ["0.0.0.0", "192.0.2.1", "localhost"]) {
    void it(`${host} needs a token file, and says what that means`, async (t) => {
      const { ended } = web(t, stateFolder(t), "--host", host);
      const { code, err } = await ended;
      assert.notEqual(code, 0);
      assert.match(
        err,
        new RegExp(
          `--host ${host}: other machines may .* without encryption; .* --token-file`,
          "u",
        ),
      );
    });
  }

  void it("serves there with the file's token and no other", async (t) => {
    const root = stateFolder(t);
    await reachable(1, root, processJob("proc_1"));
    const file = tokenFile(root, `${TOKEN}\n`);
    const { started, ended, end } = web(t, root, "--host", "localhost", "--token-file", file);
    const server = await Promise.race([started, ended.then(({ err }) => assert.fail(err))]);
    const link = `http://localhost:${server.port}/#token=${TOKEN}`;
    assert.equal(server.link, link);
    const ask = (token: string) =>
      fetch(`http://localhost:${server.port}/api/jobs`, {
        headers: { Authorization: `Bearer ${token}` },
      });
    const right = await ask(TOKEN);
    assert.equal(right.status, 200);
    assert.match(await right.text(), /"id":"proc_1"/u);
    assert.equal((await ask(`${TOKEN}x`)).status, 401);
    end();
    assert.deepEqual(await ended, { code: 0, out: `${link}\n`, err: "" });
  });

  for (const [what, text, mode, words] of [
    ["others may read", TOKEN, 0o644, "expected a file that only you can read (chmod 600)"],
    ["is too short", "short", 0o600, 'digits, "_" and "-", got 5 characters'],
  ] as const) {
    void it(`refuses a token file that ${what}`, async (t) => {
      const root = stateFolder(t);
      const file = tokenFile(root, text, mode);
      const { code, err } = await web(t, root, "--host", "0.0.0.0", "--token-file", file).ended;
      assert.notEqual(code, 0);
      assert.ok(err.includes(`--token-file ${file}: `) && err.includes(words), err);
      assert.ok(!err.includes(text));
    });
  }
});
