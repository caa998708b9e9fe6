/**
 * `web --host`: another address than loopback only with a token of the user's own, from a file that only they read; it
 * is opened by the machine's addresses and by the names that the user gives, and by no other name.
 */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { silentLog, systemClock } from "../../src/ports.js";
import { serveWeb } from "../../src/web/main.js";
import { isOwnHost, linkHosts } from "../../src/web/names.js";
import type { WebServer } from "../../src/web/server.js";
import { call, machine } from "../cli/support.js";
import { pageFolder, raw, reachable, serve, stateFolder } from "./support.js";
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

/** Of this machine, as others reach it. */
const ADDRESSES = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .filter(({ family, internal }) => family === "IPv4" && !internal)
  .map(({ address }) => address);

void describe("web --host 0.0.0.0", () => {
  async function everywhere(t: TestContext, ...more: string[]) {
    const root = stateFolder(t);
    await reachable(1, root, processJob("proc_1"));
    const args = ["--host", "0.0.0.0", "--token-file", tokenFile(root, TOKEN), ...more];
    const { started, ended, end } = web(t, root, ...args);
    const server = await Promise.race([started, ended.then(({ err }) => assert.fail(err))]);
    const ask = async (host: string, address = "127.0.0.1", headers = {}) => {
      const given = { Host: host, Authorization: `Bearer ${TOKEN}`, ...headers };
      const answer = await raw(server, "/api/jobs", given, address);
      return { status: Number(answer.split(" ")[1]), answer };
    };
    return { server, ask, ended, end };
  }

  void it("is opened by each address of the machine, and tells the links", async (t) => {
    const { server, ask, ended, end } = await everywhere(t);
    const { port } = server;
    for (const address of [...ADDRESSES, "127.0.0.1"]) {
      const { status, answer } = await ask(`${address}:${port}`, address);
      assert.equal(status, 200, address);
      assert.match(answer, /"id":"proc_1"/u);
    }
    assert.equal((await ask(`localhost:${port}`)).status, 200);
    end();
    const hosts = [...ADDRESSES, "127.0.0.1"].map((each) => `http://${each}:${port}/`);
    assert.equal((await ended).out, hosts.map((each) => `${each}#token=${TOKEN}\n`).join(""));
  });

  void it("is opened by a name that is given, also behind a proxy with encryption", async (t) => {
    const { server, ask } = await everywhere(t, "--name", "Host.example", "--name", "fd00::7");
    assert.deepEqual(server.links.slice(-2), [
      `http://host.example:${server.port}/#token=${TOKEN}`,
      `http://[fd00::7]:${server.port}/#token=${TOKEN}`,
    ]);
    for (const host of ["host.example", `HOST.example:${server.port}`, "[fd00::7]:8443"]) {
      assert.equal((await ask(host)).status, 200, host);
    }
    const Origin = "https://host.example";
    assert.equal((await ask("host.example", "127.0.0.1", { Origin })).status, 200);
    assert.equal((await ask("host.example:1", "127.0.0.1", { Origin })).status, 403);
  });

  void it("refuses every other name, and says which option would allow it", async (t) => {
    const { server, ask } = await everywhere(t, "--name", "host.example");
    const { port } = server;
    for (const host of [
      `evil.example:${port}`,
      `host.example.evil.example:${port}`,
      `evil-host.example:${port}`,
      `0.0.0.0:${port}`,
      // Of this machine or not: it has not come in there.
      `192.0.2.1:${port}`,
      `localhost:${port + 1}`,
      `localhost.:${port}`,
      "127.0.0.1",
    ]) {
      const { status, answer } = await ask(host);
      assert.equal(status, 421, host);
      assert.ok(answer.includes(JSON.stringify(`"${host}"`).slice(1, -1)), answer);
      assert.match(answer, /name it by \\"web --name\\"/u);
      assert.doesNotMatch(answer, /proc_1/u);
    }
    for (const host of ["", "a:1:2", `host.example:${port}@evil.example`, "host.example/x"]) {
      assert.equal((await ask(host)).status, 400, host);
    }
    for (const address of ADDRESSES) {
      const { status } = await ask(`localhost:${port}`, address);
      assert.equal(status, 421, "localhost is not a name of what comes from outside");
    }
  });

  for (const name of ["http://host.example", "host.example:80", "a b", "", "[::1]", "*"]) {
    void it(`refuses --name ${JSON.stringify(name)}`, async (t) => {
      const { code, err } = await web(t, stateFolder(t), "--name", name).ended;
      assert.notEqual(code, 0);
      assert.ok(err.includes(`--name ${name}: expected a host name or an address`), err);
    });
  }
});

void describe("the names of a server", () => {
  const lan = { family: "IPv4", internal: false } as const;
  const none = { netmask: "", mac: "", cidr: null };
  const interfaces = {
    lo: [
      { ...none, ...lan, internal: true, address: "127.0.0.1" },
      { ...none, family: "IPv6", internal: true, address: "::1", scopeid: 0 } as const,
    ],
    eth0: [
      { ...none, ...lan, address: "192.0.2.7" },
      { ...none, family: "IPv6", internal: false, address: "2001:db8::7", scopeid: 0 } as const,
      { ...none, family: "IPv6", internal: false, address: "fe80::7", scopeid: 2 } as const,
    ],
  };

  void it("are the addresses that browsers can open, then the given ones", () => {
    const names = (host: string) => linkHosts(host, 1, ["a.example"], interfaces);
    assert.deepEqual(names("127.0.0.1"), ["127.0.0.1:1", "a.example:1"]);
    assert.deepEqual(names("::1"), ["[::1]:1", "a.example:1"]);
    assert.deepEqual(names("0.0.0.0"), ["192.0.2.7:1", "127.0.0.1:1", "a.example:1"]);
    assert.deepEqual(names("::"), [
      "192.0.2.7:1",
      "[2001:db8::7]:1",
      "127.0.0.1:1",
      "[::1]:1",
      "a.example:1",
    ]);
  });

  for (const [localAddress, localPort, host, isOwn] of [
    ["::ffff:192.0.2.7", 4777, "192.0.2.7:4777", true],
    ["::ffff:127.0.0.1", 4777, "localhost:4777", true],
    ["fe80::7%eth0", 4777, "[fe80::7]:4777", true],
    ["2001:db8::7", 4777, "[2001:DB8::7]:4777", true],
    ["2001:db8::7", 4777, "2001:db8::7:4777", false],
    ["::1", 4777, "[::1]:4777", true],
    ["::1", 4777, "[::1]:4778", false],
    ["127.0.0.1", 80, "127.0.0.1", true],
    ["127.0.0.1", 80, "localhost", true],
    ["127.0.0.1", 4777, "localhost", false],
    ["192.0.2.7", 4777, "192.0.2.8:4777", false],
    [undefined, undefined, ":0", false],
  ] as const) {
    void it(`a request for ${host} at ${localAddress} port ${localPort} is ${isOwn ? "" : "not "}its own`, () => {
      assert.equal(isOwnHost(host, { localAddress, localPort }, []), isOwn);
    });
  }
});

void describe("a server with a name of its own", () => {
  const ownName = "jobs-1.localhost";
  const loopback = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .flatMap(({ internal, address }) => (internal ? address : []));
  const skip = loopback.includes("::1") ? false : "the machine has no IPv6";

  void it("is opened by it on both loopback addresses, and tells its link first", async (t) => {
    const served = await serve(t, stateFolder(t), { ownName });
    const host = `${ownName}:${served.port}`;
    assert.equal(served.link, `http://${host}/#token=${served.token}`);
    const given = { Host: host, Origin: `http://${host}`, Authorization: `Bearer ${served.token}` };
    for (const address of loopback) {
      assert.match(await raw(served, "/api/jobs", given, address), /^HTTP\/1\.1 200 /u, address);
    }
    const other = { ...given, Host: `jobs-2.localhost:${served.port}` };
    assert.match(await raw(served, "/api/jobs", other), /^HTTP\/1\.1 421 /u);
    await served.close();
    for (const address of loopback) {
      await assert.rejects(raw(served, "/", {}, address), { code: "ECONNREFUSED" });
    }
  });

  void it(
    "does not serve when another program would get what is sent to it",
    { skip },
    async (t) => {
      const program = createServer().listen(0, "::1");
      t.after(() => program.close());
      await once(program, "listening");
      const address = program.address();
      assert.ok(address && typeof address === "object");
      const { port } = address;
      const message = `port ${port} of ::1: another program has it`;
      await assert.rejects(serve(t, stateFolder(t), { port, ownName }), { message });
      // Nothing is left on the other address.
      await serve(t, stateFolder(t), { port });
    },
  );
});
