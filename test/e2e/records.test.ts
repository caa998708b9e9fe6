/** Whose records are whose, and what is left of one that is gone, on a real host. */
import assert from "node:assert/strict";
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, describe } from "node:test";
import { callTool, callTools, startHost, type Host } from "../../fixtures/host/index.js";
import { text } from "../../fixtures/model/index.js";
import { firstJob, jobIds, launch } from "./support.js";
import { useHost } from "./use-host.js";

const bed = useHost();

describe("two OpenCodes on one project", () => {
  let second: Host | undefined;
  after(() => second?.dispose());

  bed.test(
    "keep their own jobs when one is killed, and the dead one's are taken over",
    async () => {
      const { host, model } = bed;
      second = await startHost({ model, project: host.project, state: host.state });
      const mine = await host.createSession({ title: "first" });
      const other = await second.createSession({ title: "second" });
      await callTool(host, model, mine.id, "createBackgroundProcess", { command: "sleep 350" });
      await callTool(second, model, other.id, "createBackgroundProcess", {
        command: "sleep 360",
        global: true,
      });
      const theirs = firstJob({ host: second, model }, other.id);
      // The first one looks for dead owners once a minute, too: here the second one starts before that.
      const { pid } = host.server;
      process.kill(pid, "SIGSTOP");
      try {
        await second.stop("SIGKILL");
        assert.deepEqual(await second.survivors(15_000, "sleep 360"), []);
        await second.start();
        const after = await callTool(second, model, other.id, "listBackgroundProcesses", {});
        assert.match(after, new RegExp(`^${theirs} failed \\(interrupted\\)`, "u"));
        assert.ok(!after.includes("sleep 350"));
      } finally {
        process.kill(pid, "SIGCONT");
      }
      const list = await callTool(host, model, mine.id, "listBackgroundProcesses", {});
      assert.match(list, /running .*sleep 350/u);
      assert.equal((await host.survivors(0, "sleep 350")).length > 0, true);
      assert.equal(jobIds({ host, model }, mine.id).length, 1);
    },
  );
});

describe("a task whose record is gone", () => {
  const bed = useHost({ pluginOptions: { keepEnded: 1 } });

  bed.test("is still found by its id, and by its session, with state and result", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "evicted" });
    model.script("first of two", [text("the first result")]);
    model.script("second of two", [text("the second result")]);
    model.scriptSession(parent.id, [launch("first of two"), text("started")]);
    await host.run(parent.id, "start the first");
    const first = firstJob(bed, parent.id);
    await callTool(host, model, parent.id, "getBackgroundTask", { taskId: first, wait: 20 });
    model.scriptSession(parent.id, [launch("second of two"), text("started")]);
    await host.run(parent.id, "start the second");
    const second = jobIds(bed, parent.id).at(-1) ?? "";
    await callTool(host, model, parent.id, "getBackgroundTask", { taskId: second, wait: 20 });
    // A restart writes and reads the state: what retention took away is in no memory and on no disk.
    await host.restart();
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {});
    assert.ok(!list.includes(first) && list.includes(second), list);
    const found = await callTool(host, model, parent.id, "getBackgroundTask", { taskId: first });
    assert.match(found, new RegExp(`^${first} completed[^]*\\n\\| the first result$`, "u"));
    const [child] = await host.children(parent.id);
    const bySession = await callTool(host, model, parent.id, "getBackgroundTask", {
      taskId: child?.id,
    });
    assert.match(bySession, /^bg_\w+ completed/u);
  });
});

describe("a state file that was cut in the middle", () => {
  bed.test("is set aside, and jobs are started as before", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "cut" });
    await callTool(host, model, parent.id, "createBackgroundProcess", { command: "sleep 380" });
    const lost = firstJob(bed, parent.id);
    await host.stop("SIGKILL");
    const files = () => readdirSync(host.state, { recursive: true, encoding: "utf8" });
    const states = files().filter((file) => file.endsWith("jobs.json"));
    assert.ok(states.length > 0);
    for (const state of states) {
      const path = join(host.state, state);
      truncateSync(path, Math.floor(statSync(path).size / 2));
    }
    await host.start();
    const [started = "", list = ""] = await callTools(host, model, parent.id, [
      ["createBackgroundProcess", { command: "sleep 381" }],
      ["listBackgroundProcesses", {}],
    ]);
    assert.match(started, /^proc_\w+ running/u);
    assert.ok(!list.includes(lost), list);
    assert.ok(
      files().some((file) => /jobs\.json\.corrupt-\d{8}T/u.test(file)),
      files().join(),
    );
  });
});

describe("a fork of a session", () => {
  bed.test("reads what its copied history started, and nothing else", async () => {
    const { host, model } = bed;
    const { client } = host;
    const origin = await host.createSession({ title: "origin" });
    const command = { command: "echo printed before the fork; exec sleep 370" };
    await callTool(host, model, origin.id, "createBackgroundProcess", command);
    const copied = firstJob(bed, origin.id);
    const { data: fork } = await client.session.fork({ sessionID: origin.id });
    assert.ok(fork);
    await callTool(host, model, origin.id, "createBackgroundProcess", {
      command: "exec sleep 371",
    });
    const later = jobIds(bed, origin.id).at(-1) ?? "";
    assert.notEqual(later, copied);
    const read = (processId: string) =>
      callTool(host, model, fork.id, "getBackgroundProcess", { processId });
    assert.match(await read(copied), /^\| printed before the fork$/mu);
    assert.match(await read(later), /belongs to another session/u);
    const kill = { processId: copied };
    assert.match(
      await callTool(host, model, fork.id, "killProcesses", kill),
      /another session|none/u,
    );
    assert.equal((await host.survivors(0, "sleep 370")).length > 0, true);
  });
});
