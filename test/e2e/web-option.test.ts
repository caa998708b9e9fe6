/**
 * The option `web` on real OpenCodes: the page that they start does what only the user may, for nothing that an agent
 * has started; two of them share it; it ends with the last.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { promisify } from "node:util";
import { chromium, type Browser } from "playwright-core";
import { environment } from "../../fixtures/host/folders.js";
import { callTool, PACKAGE_ROOT, startHost, type Host } from "../../fixtures/host/index.js";
import { ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { requestEvent } from "../../src/host/user-request.js";
import { readInstances } from "../../src/store/instances.js";
import { launch } from "./support.js";
import { Bed } from "./use-host.js";
import { freePort, home, portOf } from "./web-support.js";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const CLI = join(PACKAGE_ROOT, "dist/cli/main.js");
const run = promisify(execFile);

/** The user asks for the page; resolves with its link. */
async function openPage(host: Host): Promise<URL> {
  const from = host.events.cursor;
  const body = requestEvent({ act: "page" });
  await host.client.tui.publish({ directory: host.project, body }, { throwOnError: true });
  return linkOf(host, /^Your browser was called for (\S+) \(code \d{6}\)$/u, from);
}

async function linkOf(host: Host, words: RegExp, from: number): Promise<URL> {
  const told = await host.waitFor("tui.toast.show", ({ message }) => words.test(message), { from });
  return new URL(words.exec(told.properties.message)?.[1] ?? "");
}

/** The system's resolver may not know the names below `localhost`, as browsers do. */
function byAddress({ port }: URL): string {
  return `http://127.0.0.1:${port}`;
}

/** Requests with the link's token. */
function asking(link: URL) {
  const headers = { Authorization: `Bearer ${link.hash.replace("#token=", "")}` };
  return (path: string, method = "GET", body?: object) =>
    fetch(new URL(path, byAddress(link)), {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
}

async function start(host: Host, model: ScriptedModel, command: string, more: object = {}) {
  const session = await host.createSession({ title: command });
  const call = { command, notify: false, ...more };
  const said = await callTool(host, model, session.id, "createBackgroundProcess", call);
  const id = /proc_\w{10}/u.exec(said)?.[0];
  assert.ok(id, said);
  return id;
}

describe("the page of an OpenCode", () => {
  const bed = new Bed();
  const user = home();
  let browser: Browser | undefined;
  let port = 0;
  before(
    async () => {
      port = await freePort();
      await bed.make({
        env: user.env,
        pluginOptions: { web: { port } },
        config: { permission: { bash: { "*": "allow", "rm *": "ask" } } },
      });
      if (existsSync(CHROMIUM)) {
        browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
      }
    },
    { timeout: 180_000 },
  );
  after(
    async () => {
      await browser?.close();
      await bed.clear();
      user.remove();
    },
    { timeout: 180_000 },
  );

  bed.test("allows, writes and runs again in a browser, for its user", async (t) => {
    if (!browser) {
      t.skip("chromium is not installed");
      return;
    }
    const { host, model } = bed;
    const page = await browser.newPage();
    const link = await openPage(host);
    assert.equal(link.port, String(port));
    await page.goto(link.href);
    await start(host, model, 'echo "run $$"; while read -r line; do echo "got $line"; done', {
      name: "reader",
      stdin: "open",
    });
    const child = [toolCall("bash", { command: "rm -f gone.txt", description: "Remove" })];
    model.script("child: tidy", [...child, text("It is tidy.")]);
    const session = await host.createSession({ title: "asks" });
    model.scriptSession(session.id, [launch("child: tidy"), text("started"), text("noted")]);
    await host.run(session.id, "go");

    await page.getByRole("button", { name: "child: tidy" }).click();
    await page.locator(".request pre", { hasText: "rm -f gone.txt" }).waitFor();
    await page.locator(".request .note", { hasText: "rm *" }).waitFor();
    const replied = host.waitFor("permission.replied", ({ reply }) => reply === "once");
    await page.getByRole("button", { name: "Allow once" }).click();
    await replied;
    await page.locator(".said .tool.completed", { hasText: "bash" }).waitFor();
    await page.locator(".said .text", { hasText: "It is tidy." }).waitFor();

    await page.getByRole("button", { name: "reader" }).click();
    await page.getByRole("textbox", { name: "A line for its input" }).fill("hello");
    await page.keyboard.press("Enter");
    await page.locator(".line", { hasText: "got hello" }).waitFor();
    const first = await page.locator(".line", { hasText: /^run \d+$/u }).textContent();
    await page.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run again" }).click();
    await page.getByText("2, this is the last").waitFor();
    const again = page.locator(".line", { hasText: /^run \d+$/u });
    await again.waitFor();
    assert.notEqual(await again.textContent(), first);
    await page.reload();
    await page.locator(".line", { hasText: /^run \d+$/u }).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
    await page.getByText("ended, with everything that it had started").waitFor();
  });

  for (const [where, viewport, colorScheme] of [
    ["a desk in the light", { width: 1280, height: 800 }, "light"],
    ["a phone in the dark", { width: 390, height: 844 }, "dark"],
  ] as const) {
    bed.test(`is used by keyboard only, on ${where}`, async (t) => {
      if (!browser) {
        t.skip("chromium is not installed");
        return;
      }
      const { host, model } = bed;
      const page = await browser.newPage({ viewport, colorScheme });
      await page.goto((await openPage(host)).href);
      await page.getByRole("searchbox", { name: "Find a job" }).waitFor();
      const name = `keys ${colorScheme}`;
      const command = 'i=0; while :; do i=$((i+1)); echo "tick $i"; sleep 0.05; done';
      await start(host, model, command, { name });
      const child = toolCall("bash", { command: "rm -f key.txt", description: "Remove" });
      // No part of it is the other job's name, by which that is found.
      const asking = `one that asks in the ${colorScheme}`;
      model.script(asking, [child, text("Removed.")]);
      const session = await host.createSession({ title: name });
      model.scriptSession(session.id, [launch(asking), text("started"), text("noted")]);
      const asked = host.waitFor(
        "permission.asked",
        ({ patterns }) => patterns[0] === "rm -f key.txt",
        {
          from: host.events.cursor,
        },
      );
      await host.run(session.id, "go");
      await asked;
      /** Goes on by the key until what has the focus is called so. */
      const go = async (label: string) => {
        for (let step = 0; step < 60; step += 1) {
          const focused = page.locator(":focus");
          const words = (await focused.count()) > 0 ? await focused.textContent() : "";
          if (words?.includes(label)) return;
          await page.keyboard.press("Tab");
        }
        assert.fail(`the keyboard does not lead to ${label}`);
      };
      const open = async (job: string) => {
        await page.keyboard.press("/");
        await page.keyboard.press("Control+A");
        await page.keyboard.type(job);
        await go(job);
        await page.keyboard.press("Enter");
      };
      await open(asking);
      await page.locator(".request pre", { hasText: "rm -f key.txt" }).waitFor();
      await go("Allow once");
      await page.keyboard.press("Enter");
      await page.locator(".said .text", { hasText: "Removed." }).waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("searchbox", { name: "Find a job" }).waitFor();

      await open(name);
      await page
        .locator(".line", { hasText: /^tick \d+$/u })
        .first()
        .waitFor();
      await go("Stop");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      // The dialog begins where nothing is ended.
      assert.equal(await page.locator(":focus").textContent(), "Keep it");
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Enter");
      await page.getByText("ended, with everything that it had started").waitFor();
      await page.close();
    });
  }

  bed.test("does nothing of that for a process that an agent has started", async () => {
    const { host, model } = bed;
    const link = await openPage(host);
    const token = link.hash.replace("#token=", "");
    model.script("child: ask me", [
      toolCall("bash", { command: "rm -f other.txt", description: "Remove" }),
      text("done"),
    ]);
    const session = await host.createSession({ title: "attacked" });
    model.scriptSession(session.id, [launch("child: ask me"), text("started"), text("noted")]);
    const asked = host.waitFor(
      "permission.asked",
      ({ patterns }) => patterns[0] === "rm -f other.txt",
    );
    await host.run(session.id, "go");
    const { properties } = await asked;
    const victim = await start(host, model, "cat", { name: "victim", stdin: "open" });
    const root = join(host.folders.state, "state", "opencode", "background");
    const all = await readInstances(root);
    const waiting = all.flatMap(({ jobs }) => jobs).find(({ name }) => name === "child: ask me");
    assert.ok(waiting);

    // What an agent can do: it knows ids, sockets and the port, and may start what it likes.
    const script = join(host.project, "attack.mjs");
    const called = join(user.folder, "xdg-open.called");
    const ids = { victim, waiting: waiting.id, requestID: properties.id };
    const known = { root, ...ids, port, cli: CLI, called };
    const source = readFileSync(
      new URL("../../fixtures/programs/attack.mjs", import.meta.url),
      "utf8",
    );
    writeFileSync(script, source);
    const attack = await start(host, model, `node ${script} '${JSON.stringify(known)}'`, {
      name: "attack",
      readyPattern: "^attack is over$",
      readyTimeoutSeconds: 60,
    });
    const output = await (
      await asking(link)(`/api/jobs/${attack}/output?mode=head&lines=200`)
    ).json();
    const said = String(Object.fromEntries(Object.entries(output ?? {}))["text"]);
    assert.match(said, /attack is over/u);
    const tries = said.split("\n").filter((line) => /\btry /u.test(line));
    assert.ok(tries.length >= 21, said);
    for (const line of tries) assert.match(line, /: refused/u, said);
    const pending = await host.client.permission.list({}, { throwOnError: true });
    assert.ok(pending.data.some(({ id }) => id === properties.id));
    const after = await asking(link)(`/api/jobs/${victim}`);
    assert.match(await after.text(), /"status":"running".*"outputBytes":0.*"run":1/u);

    // The token is in no argument, environment or file.
    const found = readdirSync("/proc")
      .filter((name) => /^\d+$/u.test(name))
      .flatMap((pid) => ["cmdline", "environ"].map((file) => `/proc/${pid}/${file}`))
      .filter((file) => holds(file, token));
    assert.deepEqual(found, []);
    const { stdout } = await run("grep", ["-rlF", token, host.folders.scratch, user.folder]).catch(
      () => ({ stdout: "" }),
    );
    assert.equal(stdout, "");
    // The browser was called with a ticket.
    for (const address of readFileSync(called, "utf8").trim().split("\n"))
      assert.match(address, /^http:\/\/jobs-\w{16}\.localhost:\d+\/#ticket=/u);
    assert.equal(
      (
        await asking(link)(`/api/jobs/${waiting.id}/answer`, "POST", {
          requestID: properties.id,
          reply: "reject",
        })
      ).status,
      200,
    );
  });

  bed.test("is started again when it dies, with another link", async () => {
    const { host } = bed;
    const link = await openPage(host);
    const page = await browser?.newPage();
    await page?.goto(link.href);
    await page?.getByRole("button", { name: "victim" }).waitFor();
    const [server] = await host.survivors(0, "web/serve.js");
    assert.ok(server);
    const from = host.events.cursor;
    process.kill(server.pid, "SIGKILL");
    const next = await linkOf(host, /^The page of background jobs: (\S+)$/u, from);
    assert.notEqual(next.hash, link.hash);
    assert.equal((await asking(link)("/api/jobs")).status, 401);
    assert.equal((await asking(next)("/api/jobs")).status, 200);
    await page?.getByRole("alert").filter({ hasText: "open the new link" }).waitFor();
    await page?.goto(next.href);
    await page?.getByRole("alert").waitFor({ state: "detached" });
    await page?.getByRole("button", { name: "victim" }).waitFor();
  });
});

function holds(file: string, what: string): boolean {
  try {
    return readFileSync(file, "utf8").includes(what);
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

describe("two OpenCodes", () => {
  const bed = new Bed();
  const user = home();
  let other: Host | undefined;
  let port = 0;
  before(
    async () => {
      port = await freePort();
      await bed.make({ env: user.env, pluginOptions: { web: { port } } });
    },
    { timeout: 180_000 },
  );
  after(
    async () => {
      await other?.dispose();
      await bed.clear();
      user.remove();
    },
    { timeout: 180_000 },
  );

  bed.test("share one page, until the last has ended", async () => {
    const { host: first, model } = bed;
    const link = await openPage(first);
    const ask = asking(link);
    const second = await startHost({
      model,
      env: user.env,
      pluginOptions: { web: { port } },
      state: first.state,
    });
    other = second;
    const ours = await start(first, model, "sleep 600", { name: "of the first" });
    const theirs = await start(second, model, "sleep 600", { name: "of the second" });
    assert.deepEqual(await second.survivors(0, "web/serve.js"), []);
    const action = async (id: string, what: string, by = ask) =>
      (await by(`/api/jobs/${id}/${what}`, "POST")).status;
    assert.equal(await action(ours, "restart"), 200);
    // Who has not started the server runs nothing for it; showing and stopping need nothing.
    assert.equal(await action(theirs, "restart"), 409);
    assert.equal(await action(theirs, "stop"), 200);

    await first.stop("SIGKILL");
    assert.equal((await ask("/api/jobs")).status, 200);
    assert.equal(await action(ours, "restart"), 409);

    const own = await openPage(second);
    assert.equal(own.port, String(port));
    assert.equal((await asking(own)("/api/jobs")).status, 200);
    assert.equal(await action(theirs, "restart", asking(own)), 200);
    assert.equal((await asking(own)(`/api/jobs/${theirs}`)).status, 200);

    await second.stop("SIGKILL");
    assert.deepEqual(await second.survivors(5_000, "web/serve.js"), []);
    await assert.rejects(fetch(byAddress(own)));
    assert.deepEqual(await first.survivors(0, "web/serve.js"), []);
  });
});

describe("a port that another program has", () => {
  const bed = new Bed();
  const user = home();
  const program = createServer((_, response) => response.end("mine"));
  before(
    async () => {
      program.listen(0, "127.0.0.1");
      await once(program, "listening");
      const { port } = portOf(program.address());
      await bed.make({ env: user.env, pluginOptions: { web: { port } } });
    },
    { timeout: 180_000 },
  );
  after(
    async () => {
      program.close();
      await bed.clear();
      user.remove();
    },
    { timeout: 180_000 },
  );

  bed.test("is said, and no other one is taken", async () => {
    const { host } = bed;
    const from = host.events.cursor;
    const body = requestEvent({ act: "page" });
    await host.client.tui.publish({ directory: host.project, body }, { throwOnError: true });
    const { port } = portOf(program.address());
    const words = `The page of background jobs is not served: port ${port} of 127.0.0.1: another program has it; the option web.port chooses one`;
    await host.waitFor("tui.toast.show", ({ message }) => message === words, { from });
    assert.deepEqual(await host.survivors(5_000, "web/serve.js"), []);
    assert.equal(environment(host.folders)["XDG_RUNTIME_DIR"], undefined);
  });
});
