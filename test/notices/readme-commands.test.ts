/** The commands that README shows for `onEvent`, really run: what arrives at the other end. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { tmpdir } from "node:os";
import { describe, it, type TestContext } from "node:test";
import { z } from "zod";
import { JobRegistry } from "../../src/jobs/registry.js";
import { EventCommand } from "../../src/notices/event-command.js";
import { optionsSchema } from "../../src/options.js";
import { silentLog, systemClock } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { FakeHost } from "../fakes/host.js";
import { subagent } from "./jobs.js";

const README = new URL("../../README.md", import.meta.url);
const block = z.object({ onEvent: optionsSchema.shape.onEvent.unwrap() });
const missing = ["jq", "curl"].find((program) => spawnSync(program, ["--version"]).error);
const skip = missing === undefined ? false : `${missing} is not installed`;

function commands(): string[][] {
  const blocks = readFileSync(README, "utf8").matchAll(/^```json\n([^`]*"onEvent"[^`]*)^```$/gmu);
  return Array.from(blocks, ([, json = ""]) => block.parse(JSON.parse(json)).onEvent);
}

/** What a job's end sends with this command, to a server in place of the one that it names. */
async function sent(t: TestContext, command: readonly string[]) {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const here = `http://127.0.0.1:${address.port}/`;
  const onEvent = command.map((word) => word.replace(/https:\/\/[\w.]+\//u, here));
  assert.notDeepEqual(onEvent, command);
  const arrived = new Promise<{ request: IncomingMessage; body: string }>((resolve) => {
    server.once("request", (request, response) => {
      void textOf(request).then((body) => {
        response.end();
        resolve({ request, body });
      });
    });
  });
  const host = new FakeHost(new FakeClock());
  host.addSession({ id: "ses_parent", title: "my session" });
  const jobs = new JobRegistry(silentLog);
  const options = { onEvent, onEventText: false };
  const directory = tmpdir();
  const running = new EventCommand({
    host,
    jobs,
    clock: systemClock,
    log: silentLog,
    options,
    directory,
  });
  t.after(() => running.close());
  const job = subagent({ name: `a "job" $(id) 'x'` });
  jobs.add(job);
  const at = new Date((job.startedAt?.getTime() ?? 0) + 65_400);
  jobs.end(job.id, { status: "failed", reason: "budget", at });
  return arrived;
}

void describe("the commands for onEvent in README", { skip }, () => {
  const [toPhone = [], toSlack = [], ...more] = commands();

  void it("are two", () => assert.deepEqual(more, []));

  void it("push a sentence to a phone", async (t) => {
    const { request, body } = await sent(t, toPhone);
    assert.equal(request.url, "/my-topic");
    assert.equal(request.headers["title"], "OpenCode");
    assert.equal(body.trim(), `a "job" $(id) 'x': budget, failed after 65 s`);
  });

  void it("post a message to Slack", async (t) => {
    const { request, body } = await sent(t, toSlack);
    assert.match(request.url ?? "", /^\/services\//u);
    assert.equal(request.headers["content-type"], "application/json");
    const message: unknown = JSON.parse(body);
    assert.deepEqual(message, { text: `*a "job" $(id) 'x'* budget: failed (my session)` });
  });
});
