/** Background processes on a real host: started by the agent with the user's permission, and ended for good. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe } from "node:test";
import { promisify } from "node:util";
import { environment } from "../../fixtures/host/folders.js";
import { callTool, callTools, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { survivors, survivorsAfter } from "../../fixtures/host/survivors.js";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { firstJob, held, jobIds, noticeTo, startRun } from "./support.js";
import { shareServer, useHost, useProject } from "./use-host.js";

shareServer();

describe("a process on a real host", () => {
  const bed = useProject();

  bed.test("tells its session when it ends, with exit code and output", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "ends" });
    const { command, go } = held(
      bed,
      "printf '\\033[32m€ to stdout\\033[0m\\n'; echo to stderr >&2; exit 3",
    );
    model.scriptSession(parent.id, [
      toolCall("createBackgroundProcess", { command, name: "three" }),
      text("started"),
      text("noted"),
    ]);
    await host.run(parent.id, "start it");
    go();
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /kind="process" status="failed"/u);
    assert.match(notice, /exit code: 3/u);
    // All of it, so nothing is said to be left out, although the file has more bytes than this.
    assert.match(notice, /^output:\n\| € to stdout\n\| to stderr$/mu);
  });

  bed.test(
    "of a long output the notice has the end, and how many bytes come before it",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "long" });
      const { command, go } = held(bed, "printf '%0996d€\\n' 0 0 0 0 0 0 0 0; echo the end");
      model.scriptSession(parent.id, [
        toolCall("createBackgroundProcess", { command }),
        text("started"),
        text("noted"),
      ]);
      await host.run(parent.id, "start it");
      go();
      const notice = await noticeTo(bed, parent.id);
      const [, left, quoted = ""] =
        /^output \(([\d,]+) bytes left out\):\n([^]*?)\nto read/mu.exec(notice) ?? [];
      const shown = quoted.replaceAll(/^\| /gmu, "");
      assert.ok(shown.endsWith("€\nthe end"));
      // The last newline is no part of a line.
      const bytes = Number(left?.replaceAll(",", "")) + Buffer.byteLength(shown);
      assert.equal(bytes, 8 * 1_000 + "the end".length);
    },
  );

  bed.test("a short one is answered with its end, and nothing tells it again", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "short" });
    const other = held(bed, "echo later");
    model.scriptSession(parent.id, [
      [
        toolCall("createBackgroundProcess", { command: "echo why; exit 3" }),
        toolCall("createBackgroundProcess", { command: other.command }),
      ],
      text("started"),
      text("noted"),
    ]);
    await host.run(parent.id, "start both");
    const [short = ""] = model.turns(parent.id).at(1)?.toolResults ?? [];
    assert.match(short, /^proc_\w+ failed · .*exit code 3[^]*\n\| why$/u);
    other.go();
    const notice = await noticeTo(bed, parent.id, /^\| later$/mu);
    assert.ok(!notice.includes(firstJob(bed, parent.id)), notice);
    assert.equal(model.turns(parent.id).length, 3);
  });

  bed.test("with a child and a grandchild is gone after killProcesses", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "tree" });
    const command = "sh -c 'sleep 300 & sh -c \"sleep 301 & sleep 302\"'";
    const started = await callTool(host, model, parent.id, "createBackgroundProcess", { command });
    assert.match(started, /^proc_\w{10} running/u);
    const processId = firstJob(bed, parent.id);
    const running = () => host.survivors(0, "sleep 30");
    assert.ok((await running()).length > 0);
    const answer = await callTool(host, model, parent.id, "killProcesses", { processId });
    assert.match(answer, /cancelled \(cancelled_by_agent\).*no process of it is left/u);
    assert.deepEqual(await running(), []);
  });

  bed.test("is killed from a shell, and its session is told by whom", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "shell" });
    const kill = [join(PACKAGE_ROOT, "dist", "cli", "main.js"), "kill", "by hand"];
    model.scriptSession(parent.id, [
      toolCall("createBackgroundProcess", { command: "sleep 303", name: "by hand" }),
      text("started"),
      text("noted"),
    ]);
    await host.run(parent.id, "start it");
    const env = environment(host.folders);
    const { stdout } = await promisify(execFile)(process.execPath, kill, { env });
    assert.match(stdout, /^proc_\w{10}: ended, with everything that it had started\n$/u);
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="cancelled" reason="cancelled_by_user"/u);
    assert.deepEqual(await host.survivors(0, "sleep 303"), []);
  });

  bed.test("is filtered by tags, listed, read and killed by them", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "tags" });
    await callTools(host, model, parent.id, [
      [
        "createBackgroundProcess",
        {
          command: "echo building; sleep 300",
          name: "build",
          tags: ["build", "critical"],
          readyPattern: "building",
        },
      ],
      [
        "createBackgroundProcess",
        { command: "echo testing; sleep 300", name: "test", tags: ["test"] },
      ],
    ]);
    const [build = "", test = ""] = jobIds(bed, parent.id);
    const [critical = "", both = ""] = await callTools(host, model, parent.id, [
      ["listBackgroundProcesses", { tags: ["critical"] }],
      ["listBackgroundProcesses", { tags: ["critical", "test"], status: "running" }],
    ]);
    assert.ok(critical.includes(build) && !critical.includes(test));
    assert.ok(both.includes(build) && both.includes(test));
    assert.match(
      await callTool(host, model, parent.id, "killProcesses", { tags: ["test"] }),
      new RegExp(`^${test} cancelled`, "u"),
    );
    const left = await callTool(host, model, parent.id, "listBackgroundProcesses", {
      status: "running",
    });
    assert.ok(left.includes(build) && !left.includes(test));
    const output = await callTool(host, model, parent.id, "getBackgroundProcess", {
      processId: build,
    });
    assert.match(output, /\n\| building\n\(what comes after this: cursor "9"\)$/u);
    await host.deleteSession(parent.id);
    assert.deepEqual(await host.survivors(15_000, "sleep 300"), []);
  });

  bed.test("kills nothing for an unknown id or without a filter", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "nothing" });
    await callTool(host, model, parent.id, "createBackgroundProcess", { command: "sleep 310" });
    const [unknown = "", none = ""] = await callTools(host, model, parent.id, [
      ["killProcesses", { processId: "proc_0000000000" }],
      ["killProcesses", {}],
    ]);
    assert.match(unknown, /processId: expected the id of a process .*got "proc_0000000000"/u);
    assert.match(none, /expected at least one of processId, sessionId, status, tags/u);
    const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {
      status: "running",
    });
    assert.match(list, /sleep 310/u);
  });

  bed.test(
    "returns when it is ready, and wakes its session by a line that asks for it",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "ready" });
      const command =
        "sleep 0.2; echo listening on 1; sleep 0.2; echo OPENCODE_NOTIFY: look at me; sleep 300";
      model.scriptSession(parent.id, [
        toolCall("createBackgroundProcess", { command, readyPattern: "listening on \\d+" }),
        text("started"),
        text("looked"),
      ]);
      await host.run(parent.id, "start it");
      const [started = ""] = model.turns(parent.id).at(1)?.toolResults ?? [];
      assert.match(started, / · ready · /u);
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /status="running"/u);
      assert.match(notice, /^\| look at me$/mu);
    },
  );
});

describe("a process and the user's permission", () => {
  const strict = useProject({
    config: { permission: { bash: { "*": "deny", "echo *": "allow", "sleep *": "allow" } } },
  });

  strict.test("starts what is allowed, and nothing that hides in it", async () => {
    const { host, model } = strict;
    const parent = await host.createSession({ title: "rules" });
    const [allowed = "", hidden = "", substituted = ""] = await callTools(host, model, parent.id, [
      // Its notice would answer the next prompt with its own.
      ["createBackgroundProcess", { command: "echo fine && sleep 0", notify: false }],
      ["createBackgroundProcess", { command: "echo ok; touch hidden-1" }],
      ["createBackgroundProcess", { command: "echo $(touch hidden-2)" }],
    ]);
    assert.match(allowed, /^proc_/u);
    for (const answer of [hidden, substituted])
      assert.match(answer, /Permission denied for command/u);
    const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
    assert.equal(list.match(/proc_/gu)?.length, 1, list);
  });
});

describe("processes of a host that ends", () => {
  const bed = useHost();

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const) {
    bed.test(
      `${signal} of opencode serve leaves no process, and the next start knows how they ended`,
      async () => {
        const { host, model } = bed;
        const parent = await host.createSession({ title: signal });
        const command = `trap '' TERM; echo ${signal}; sleep 300 & sleep 301`;
        await callTool(host, model, parent.id, "createBackgroundProcess", {
          command,
          readyPattern: signal,
        });
        const processId = firstJob(bed, parent.id);
        await host.stop(signal);
        assert.deepEqual(await host.survivors(15_000), []);
        await host.start();
        const answer = await callTool(host, model, parent.id, "getBackgroundProcess", {
          processId,
        });
        const end = signal === "SIGKILL" ? "failed \\(interrupted\\)" : "cancelled \\(host_exit\\)";
        assert.match(answer, new RegExp(`^${processId} ${end}`, "u"));
        assert.match(answer, new RegExp(`\\n\\| ${signal}$`, "u"));
      },
    );
  }

  for (const ending of ["its own end", "SIGKILL"] as const) {
    bed.test(`${ending} of opencode run leaves no process`, async () => {
      const { model } = bed;
      const said = `start it and end by ${ending}`;
      const command = `trap '' TERM; sleep 300 & sleep 301 # ${ending}`;
      const rest = ending === "SIGKILL" ? [text("started "), gate("never")] : [text("started")];
      model.script(said, [toolCall("createBackgroundProcess", { command }), rest]);
      const { marker, pid, ended, kill } = startRun(bed, said);
      const { toolResults } = await model.waitForRequest(
        (request) => request.allText.includes(said) && request.toolResults.length > 0,
      );
      assert.match(toolResults.join("\n"), /^proc_\w{10} running/u);
      if (ending === "SIGKILL") {
        assert.ok((await survivors(marker, [pid])).length >= 3);
        kill("SIGKILL");
      }
      assert.equal(await ended, ending === "SIGKILL" ? "SIGKILL" : 0);
      assert.deepEqual(await survivorsAfter(marker, 15_000), []);
    });
  }
});

describe("a shell that OpenCode's configuration names", () => {
  const bed = useProject({ config: { shell: "/bin/sh" } });

  bed.test("runs the commands, as it does those of the host's bash tool", async () => {
    const { host, model } = bed;
    const { id: session } = await host.createSession({ title: "shell" });
    const command = "echo $0";
    const ours = await callTool(host, model, session, "createBackgroundProcess", { command });
    assert.match(ours, /^\| \/bin\/sh$/mu, ours);
    const theirs = await callTool(host, model, session, "bash", { command });
    assert.equal(theirs.trim(), "/bin/sh");
  });
});
