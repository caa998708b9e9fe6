/**
 * An instance that OpenCode loads anew inside one process: what it ended is known to the next one, and told at once to
 * the sessions in use. And a folder that gets another project id, and an OpenCode that outlives another one.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import { callTool, startHost, type Host } from "../../fixtures/host/index.js";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import type { Job } from "../../src/jobs/job.js";
import { watchInstances } from "../../src/store/instances.js";
import { firstJob, jobIds, launch, noticesIn, noticeTo } from "./support.js";
import { useHost, type Bed } from "./use-host.js";

const STUBBORN = "trap '' TERM; echo up; while :; do sleep 371; done";

/** A session with two processes, of which one ignores SIGTERM, and a subagent; all run, and the session is idle. */
async function busyParent(bed: Bed, title: string) {
  const { host, model } = bed;
  const parent = await host.createSession({ title });
  model.script(`child of ${title}`, [[text("half"), gate(`never ${title}`)]]);
  model.scriptSession(parent.id, [
    [
      launch(`child of ${title}`),
      toolCall("createBackgroundProcess", { command: STUBBORN, readyPattern: "up" }),
      toolCall("createBackgroundProcess", { command: "sleep 372" }),
    ],
    text("started"),
    text("I have heard"),
    text("and the rest"),
  ]);
  await host.run(parent.id, "start all");
  const ids = jobIds(bed, parent.id);
  assert.equal(ids.length, 3);
  return { parent, ids };
}

/** The record of this command once it has ended as interrupted, on disk. */
async function interrupted(root: string, command: string): Promise<Job> {
  const [name = ""] = readdirSync(root);
  const found = deferred<Job>();
  const watch = watchInstances(root, name, (instances) => {
    const jobs = instances.flatMap((instance) => instance.jobs);
    const job = jobs.find((each) => each.kind === "process" && each.command === command);
    if (job?.endReason === "interrupted") found.resolve(job);
  });
  try {
    return await found.promise;
  } finally {
    watch.close();
  }
}

// Side by side, each on servers of its own: who died is looked for once a minute.
describe("what another OpenCode has left", { concurrency: true }, () => {
  describe("a folder that becomes a git repository between two starts", () => {
    const bed = useHost();

    bed.test("keeps its jobs and what is owed, under its new project id", async () => {
      const { host, model } = bed;
      rmSync(join(host.project, ".git"), { recursive: true });
      await host.restart();
      const parent = await host.createSession({ title: "before git" });
      model.script("child of before git", [[text("half"), gate("never before git")]]);
      model.scriptSession(parent.id, [launch("child of before git"), text("started"), text("so")]);
      await host.run(parent.id, "start it");
      const taskId = firstJob(bed, parent.id);
      await callTool(host, model, parent.id, "createBackgroundProcess", { command: "sleep 373" });
      await host.stop("SIGKILL");
      const git = (...args: string[]) => execFileSync("git", args, { cwd: host.project });
      git("init", "--quiet");
      git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "1");
      await host.start();
      const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
      assert.match(list, /^proc_\w+ failed \(interrupted\).*sleep 373/u);
      const told = await noticeTo(bed, parent.id, new RegExp(`id="${taskId}"`, "u"));
      assert.match(told, /status="failed" reason="interrupted"/u);
      assert.deepEqual(await host.survivors(15_000, "sleep 373"), []);
    });
  });

  describe("an OpenCode that dies beside another one of its folder", () => {
    const bed = useHost();
    let second: Host | undefined;
    after(() => second?.dispose());

    bed.test(
      "is succeeded by the living one; its jobs ended with its last sign of life",
      async () => {
        const { host, model } = bed;
        second = await startHost({ model, project: host.project, state: host.state });
        const parent = await second.createSession({ title: "dies" });
        await callTool(second, model, parent.id, "createBackgroundProcess", {
          command: "sleep 374",
        });
        const other = await host.createSession({ title: "lives" });
        const before = await callTool(host, model, other.id, "listBackgroundProcesses", {});
        assert.ok(!before.includes("sleep 374"), before);
        await second.stop("SIGKILL");
        const diedAt = Date.now();
        assert.deepEqual(await second.survivors(15_000, "sleep 374"), []);
        const root = join(host.state, "state", "opencode", "background");
        const job = await interrupted(root, "sleep 374");
        assert.ok((job.completedAt?.getTime() ?? Infinity) <= diedAt, JSON.stringify(job));
        const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
        assert.match(list, /failed \(interrupted\).*sleep 374/u);
      },
    );
  });

  // The same server is loaded anew: one after the other.
  describe("an instance that is loaded anew", { concurrency: 1 }, () => {
    const bed = useHost();

    for (const [what, reload] of [
      ["POST /instance/dispose", () => bed.host.client.instance.dispose()],
      ["PATCH /config", () => bed.host.client.config.update({ config: { username: "someone" } })],
    ] as const) {
      bed.test(`${what}: what it ended is told at once and is in every list`, async () => {
        const { host, model } = bed;
        const { parent, ids } = await busyParent(bed, what);
        const { cursor: from } = host.events;
        const disposed = host.waitFor("server.instance.disposed", () => true, { from });
        await reload();
        await disposed;
        // As a client does: its next request makes the next instance.
        await host.events.unfollow();
        await host.events.follow(host.client);
        for (const id of ids) {
          const pattern = new RegExp(`id="${id}"[^>]* status="cancelled" reason="reloaded"`, "u");
          await noticeTo(bed, parent.id, pattern);
        }
        assert.deepEqual(await host.survivors(15_000, "sleep 37"), []);
        await host.waitIdle(parent.id);
        const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
        assert.equal(list.match(/cancelled \(reloaded\)/gu)?.length, 2, list);
        const state = await callTool(host, model, parent.id, "getBackgroundTask", {
          taskId: firstJob(bed, parent.id),
        });
        assert.match(state, /^bg_\w+ cancelled \(reloaded\)/u);
        const last = model.turns(parent.id).at(-1) ?? assert.fail();
        for (const id of ids) {
          const told = noticesIn(last).filter((notice) => notice.includes(`id="${id}"`));
          assert.equal(told.length, 1, `${id} is told once`);
        }
      });
    }
  });
});
