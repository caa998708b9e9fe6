/** The built command line beside a real OpenCode: the page shows its jobs and ends them through their owner. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, describe } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { endWithUs } from "../../fixtures/host/end-with-us.js";
import { environment } from "../../fixtures/host/folders.js";
import { callTool, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { gate, text } from "../../fixtures/model/index.js";
import { firstJob, launch, noticeTo } from "./support.js";
import { useHost } from "./use-host.js";

const CLI = join(PACKAGE_ROOT, "dist/cli/main.js");
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const run = promisify(execFile);

describe("the page beside a real OpenCode", () => {
  const bed = useHost();
  const closing: (() => Promise<void>)[] = [];
  after(async () => {
    for (const close of closing) await close();
  });

  const env = () => ({ ...process.env, ...environment(bed.host.folders) });

  /** `web` as a user starts it; resolves with the link that it prints. */
  async function startWeb(): Promise<URL> {
    const web = spawn(process.execPath, [CLI, "web", "--port", "0"], {
      env: env(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const release = endWithUs(web.pid ?? 0);
    closing.push(async () => {
      web.kill("SIGINT");
      const [code] = await once(web, "exit");
      release();
      assert.equal(code, 0);
    });
    const ended = once(web, "exit").then(() => assert.fail("web ended"));
    const [line]: unknown[] = await Promise.race([once(web.stdout, "data"), ended]);
    return new URL(String(line).trim());
  }

  bed.test(
    "stops a process and cancels a subagent: both end as the user's, and are told",
    async () => {
      const { host, model } = bed;
      const session = await host.createSession({ title: "seen from a page" });
      model.script("child: watched", [[gate("never"), text("too late")]]);
      model.scriptSession(session.id, [launch("child: watched"), text("started"), text("noted")]);
      await host.run(session.id, "go");
      const child = firstJob(bed, session.id);
      const started = await callTool(host, model, session.id, "createBackgroundProcess", {
        command: "echo hello from the process; sleep 600",
        name: "sleeper",
      });
      const id = /proc_\w{10}/u.exec(started)?.[0] ?? "";

      const link = await startWeb();
      const headers = { Authorization: `Bearer ${link.hash.replace("#token=", "")}` };
      const ask = async (path: string, method = "GET") =>
        (await fetch(new URL(path, link.origin), { method, headers })).text();
      assert.match(await ask(`/api/jobs/${id}`), /"fate":"active"/u);
      assert.match(await ask(`/api/jobs/${id}/output`), /hello from the process/u);
      const stopped = await ask(`/api/jobs/${id}/stop`, "POST");
      assert.match(stopped, /ended, with everything that it had started/u);
      assert.match(await noticeTo(bed, session.id, /sleeper/u), /status="cancelled"/u);

      const { stdout } = await run(process.execPath, [CLI, "cancel", child], { env: env() });
      assert.match(stdout, new RegExp(`^${child}: cancelled`, "u"));
      assert.match(await noticeTo(bed, session.id, new RegExp(child, "u")), /status="cancelled"/u);
    },
  );

  bed.test("in a browser: a job appears, its output is followed, it is stopped", async (t) => {
    if (!existsSync(CHROMIUM)) {
      t.skip("chromium is not installed");
      return;
    }
    const { host, model } = bed;
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    closing.push(() => browser.close());
    const page = await browser.newPage();
    const link = await startWeb();
    await page.goto(link.href);
    await page.getByRole("heading", { name: "Background jobs" }).waitFor();
    const session = await host.createSession({ title: "a browser looks on" });
    await callTool(host, model, session.id, "createBackgroundProcess", {
      command: "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done",
      name: "ticker",
      notify: false,
    });
    await page.getByRole("button", { name: "ticker" }).click();
    await page
      .locator(".line", { hasText: /^tick 2\d$/u })
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
    await page.getByText("ended, with everything that it had started").waitFor();
    await page.getByText("cancelled by you").first().waitFor();
  });
});
