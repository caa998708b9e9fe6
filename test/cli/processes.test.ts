/** The command line and real processes: ending them, and following what they print. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type ControlRequest, socketPath } from "../../src/control/socket.js";
import { serveControl } from "../../src/control/owner.js";
import { silentLog, systemClock, UserError } from "../../src/ports.js";
import { hasEnded, isAlive } from "../../src/system/identity.js";
import { chooseKillTree, systemForKill } from "../../src/system/kill-tree.js";
import { OutputLog } from "../../src/output/log.js";
import { setAside } from "../../src/output/runs.js";
import { call, owner, realProcess } from "./support.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { isLinux } from "../process/support.js";
import { processJob, subagent } from "../store/records.js";
import { makeStore, outputFileOf } from "../store/support.js";

const folder = useFolders();

void describe("kill", () => {
  void it("ends the process that was started, whether its owner lives or not", async () => {
    for (const pid of [1, 2]) {
      const root = folder();
      const { child, job } = realProcess("proc_1");
      const exited = once(child, "exit");
      const made = await owner(pid, root, job);
      const { code, out } = await call(["kill", "proc_1", "--root", root]);
      assert.equal(code, 0, out);
      await exited;
      assert.equal(child.signalCode, "SIGTERM");
      await made.store.close();
    }
  });

  void it("is done by the OpenCode that runs it, which thus knows whose doing it is", async () => {
    const root = folder();
    const { child, job } = realProcess("proc_1");
    const made = await owner(1, root, job);
    const asked: ControlRequest[] = [];
    const handle = async (request: ControlRequest): Promise<string> => {
      asked.push(request);
      if (request.method === "ping") return "here";
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
      return "proc_1: ended, as it was asked for";
    };
    const path = socketPath(made.store.folder, { XDG_RUNTIME_DIR: root });
    const close = await serveControl(path, { clock: systemClock, log: silentLog, handle });
    made.store.setControl(path);
    await made.store.flush();
    const { code, out } = await call(["kill", "proc_1", "--root", root]);
    assert.equal(out, "proc_1: ended, as it was asked for\n");
    assert.equal(code, 0);
    assert.deepEqual(asked, [{ method: "ping" }, { method: "stop", jobID: "proc_1" }]);
    await close();
    await made.store.close();
  });

  void it("is done from here when its OpenCode does not answer", async () => {
    const root = folder();
    const { child, job } = realProcess("proc_1");
    const exited = once(child, "exit");
    const made = await owner(1, root, job);
    made.store.setControl(join(root, "gone.sock"));
    await made.store.flush();
    const { code, out } = await call(["kill", "proc_1", "--json", "--root", root]);
    assert.equal(code, 0, out);
    assert.match(out, /"text": "proc_1: ended, with everything that it had started"/);
    await exited;
    await made.store.close();
  });

  void it("signals no process when the number belongs to another process", async () => {
    const root = folder();
    const { child, identity } = realProcess("proc_1");
    const others = [
      { ...identity, startTime: "1" },
      { ...identity, bootID: "another boot" },
    ];
    const jobs = others.map((each, at) => processJob(`proc_${at}`, { identity: each }));
    const made = await owner(2, root, ...jobs, processJob("proc_none", { identity: undefined }));
    for (const id of ["proc_0", "proc_1", "proc_none"]) {
      const { code, err } = await call(["kill", id, "--root", root]);
      assert.equal(code, 1);
      assert.match(err, /no process was signalled/);
    }
    assert.ok(isAlive(identity));
    assert.equal(child.exitCode, null);
    await made.store.close();
  });

  void it("refuses what it cannot end: subagents, ended jobs, unknown ids, other machines", async () => {
    const root = folder();
    const { identity } = realProcess("proc_1");
    const jobs = [subagent("bg_1"), processJob("proc_ended", { identity, status: "failed" })];
    const made = await owner(1, root, ...jobs);
    const self = () => ({ identity, host: "other", pidNamespace: "pid:[7]" });
    const elsewhere = makeStore({ root, processes: { self, hasEnded } });
    elsewhere.jobs.add(processJob("proc_elsewhere", { identity }));
    await elsewhere.store.flush();
    const kill = () => Promise.reject(new UserError("never"));
    for (const id of ["bg_1", "proc_ended", "proc_elsewhere", "proc_none"]) {
      const { code, err } = await call(["kill", id, "--root", root], { kill });
      assert.equal(code, 1);
      assert.doesNotMatch(err, /never/);
    }
    await Promise.all([made.store.close(), elsewhere.store.close()]);
  });

  void it("ends several, by a whole name and by the first characters of an id; none if one is not found", async () => {
    const root = folder();
    const one = realProcess("proc_aaaaaaaaaa");
    const two = realProcess("proc_bbbbbbbbbb");
    const jobs = [{ ...one.job, name: "dev server" }, two.job];
    const made = await owner(2, root, ...jobs);
    const exits = Promise.all([one, two].map(({ child }) => once(child, "exit")));
    for (const [wrong, near] of [
      ["dev", ', only proc_aaaaaaaaaa "dev server": give a whole name or at least 8 characters'],
      ["proc_", ', only proc_aaaaaaaaaa "dev server" and 1 more: give a whole name'],
      ["proc_cccccccccc", " in"],
    ] as const) {
      const { code, err } = await call(["kill", "dev server", wrong, "--root", root]);
      assert.equal(code, 1);
      assert.ok(err.includes(`there is no job ${wrong}${near}`), err);
    }
    assert.ok(isAlive(one.identity) && isAlive(two.identity));
    const { code, out } = await call(["kill", "dev server", "proc_bbb", "--root", root]);
    assert.equal(code, 0, out);
    assert.match(out, /^proc_aaaaaaaaaa: ended.*\nproc_bbbbbbbbbb: ended.*\n$/);
    await exits;
    await made.store.close();
  });

  void it("says who is still alive", async () => {
    const root = folder();
    const { job } = realProcess("proc_1");
    const made = await owner(2, root, job);
    const survivors = [{ pid: 77, command: "sudo sleep" }];
    const kill = async () => ({ forced: true, survivors, foreign: false });
    const { code, out } = await call(["kill", "proc_1", "--root", root], { kill });
    assert.equal(code, 1);
    assert.match(out, /still alive.*77 \(sudo sleep\)/);
    await made.store.close();
  });

  void it("does not say that it ended whom it could not tell from a stranger", async () => {
    const root = folder();
    const { job, identity } = realProcess("proc_1");
    const made = await owner(2, root, job);
    // It runs, says one answer; who it is, the next does not say.
    const system = { ...systemForKill(systemClock), identify: () => undefined };
    const killTree = chooseKillTree(system);
    const kill = () => killTree({ pid: identity.pid, identity, held: false, jobID: "proc_1" }, 500);
    const { code, out } = await call(["kill", "proc_1", "--root", root], { kill });
    assert.equal(code, 1);
    assert.match(out, /no process was signalled/);
    assert.doesNotMatch(out, /ended/);
    assert.ok(isAlive(identity));
    const json = await call(["kill", "proc_1", "--json", "--root", root], { kill });
    assert.equal(json.code, 1);
    assert.match(json.out, /"foreign": true/);
    await made.store.close();
  });

  void it("says that others could not be verified", async () => {
    const root = folder();
    const { job } = realProcess("proc_1");
    const made = await owner(2, root, job);
    const outcome = { forced: true, survivors: [], foreign: false, unverified: "ps: timed out" };
    const kill = async () => outcome;
    const { code, out } = await call(["kill", "proc_1", "--root", root], { kill });
    assert.equal(code, 1);
    assert.match(out, /ended; who survived could not be verified: ps: timed out/);
    const json = await call(["kill", "proc_1", "--json", "--root", root], { kill });
    assert.equal(json.code, 1);
    assert.match(json.out, /"unverified": "ps: timed out"/);
    await made.store.close();
  });
});

void describe("stats", () => {
  void it("shows what a process takes; of ended ones nothing", { skip: !isLinux }, async () => {
    const root = folder();
    const { job } = realProcess("proc_1");
    const ended = processJob("proc_2", { status: "failed", identity: job.identity });
    const made = await owner(1, root, { ...job, name: "sleeper" }, ended);
    const clock = { ...systemClock, after: keepAwake };
    const { out } = await call(["stats", "--root", root], { clock });
    assert.match(
      out,
      /^ID +CPU +MEMORY +PROCESSES +PORTS +TIME +NAME\nproc_1 +0\.0 % +[\d.]+ [KM]iB +1 +- +.* +sleeper\n$/,
    );
    const { out: asJSON } = await call(["stats", "--json", "--root", root], { clock });
    assert.match(asJSON, /"cpuPercent": 0,\n +"processes": 1,/);
    const none = await call(["stats", "--root", folder()], { clock });
    assert.equal(none.out, "No running processes.\n");
    const measure = () => Promise.resolve(undefined);
    const elsewhere = await call(["stats", "--root", root], { clock, measure });
    assert.match(elsewhere.out, /^This system is not asked/);
    await made.store.close();
  });
});

void describe("logs", () => {
  function log(file: string): OutputLog {
    return new OutputLog(file, 1024 * 1024, systemClock);
  }

  void it("writes the output as plain text, or as JSON lines", async () => {
    const root = folder();
    const made = await owner(2, root, processJob("proc_1"));
    const output = log(outputFileOf(made.store, "proc_1"));
    output.append(0, Buffer.from("one\n\u001b[31mtwo\u001b[0m\nhal"));
    output.append(1, Buffer.from("error\n"));
    output.append(0, Buffer.from("f\nno newline"));
    output.close();
    const { code, out } = await call(["logs", "proc_1", "--root", root]);
    assert.equal(code, 0);
    assert.equal(out, "one\ntwo\nerror\nhalf\nno newline\n");
    const asJSON = await call(["logs", "proc_1", "--json", "--root", root]);
    assert.match(
      asJSON.out.split("\n")[2] ?? "",
      /^{"stream":"stderr","line":"error","at":"\d{4}-\d\d-\d\dT[\d:.]+Z"}$/,
    );
    await made.store.close();
  });

  void it("writes the last lines, and those with a text", async () => {
    const root = folder();
    const made = await owner(2, root, processJob("proc_1"));
    const output = log(outputFileOf(made.store, "proc_1"));
    output.append(0, Buffer.from("one\ntwo Errors\nthree\n"));
    output.append(1, Buffer.from("an error\n"));
    output.append(0, Buffer.from("last\nopen"));
    output.close();
    const lines = async (...args: string[]) =>
      (await call(["logs", "proc_1", "--root", root, ...args])).out;
    assert.equal(await lines("-n", "2"), "last\nopen\n");
    assert.equal(await lines("--lines", "3"), "an error\nlast\nopen\n");
    assert.equal(await lines("-n", "0"), "");
    assert.equal(await lines("-n", "99"), "one\ntwo Errors\nthree\nan error\nlast\nopen\n");
    assert.equal(await lines("--grep", "error"), "two Errors\nan error\n");
    assert.equal(await lines("-g", "Error"), "two Errors\n");
    assert.equal(await lines("-g", "error", "-n", "1"), "an error\n");
    await made.store.close();
  });

  void it("writes when each line came, and those since a time", async () => {
    const root = folder();
    const made = await owner(2, root, processJob("proc_1"));
    const clock = new FakeClock(Date.UTC(2026, 10, 21, 10, 0, 0));
    const output = new OutputLog(outputFileOf(made.store, "proc_1"), 1024 * 1024, clock);
    output.append(0, Buffer.from("early\nbegun "));
    await clock.advance(60_000);
    output.append(1, Buffer.from("an error\n"));
    await clock.advance(1_250);
    output.append(0, Buffer.from("and done\nlast"));
    output.close();
    await clock.advance(30_000);
    const lines = async (...args: string[]) =>
      (await call(["logs", "proc_1", "--root", root, ...args], { clock })).out;
    assert.equal(
      await lines("--timestamps"),
      [
        "2026-11-21T10:00:00.000Z early\n",
        "2026-11-21T10:01:00.000Z an error\n",
        "2026-11-21T10:01:01.250Z begun and done\n",
        "2026-11-21T10:01:01.250Z last\n",
      ].join(""),
    );
    assert.equal(await lines("--since", "1m"), "an error\nbegun and done\nlast\n");
    assert.equal(await lines("--since", "31s", "-n", "1"), "last\n");
    assert.equal(await lines("--since", "31s", "--grep", "done"), "begun and done\n");
    assert.equal(await lines("--since", "2026-11-21T10:01:01Z"), "begun and done\nlast\n");
    assert.equal(await lines("--since", "10s"), "");
    const { code, err } = await call(["logs", "proc_1", "--since", "yesterday", "--root", root]);
    assert.equal(code, 2);
    assert.match(err, /--since: expected a time like 5m or .*, got "yesterday"/);
    await made.store.close();
  });

  void it("writes the last lines first and then what comes", async () => {
    const root = folder();
    const { child, job } = realProcess("proc_1");
    const made = await owner(2, root, job);
    const output = log(outputFileOf(made.store, "proc_1"));
    output.append(0, Buffer.from("one\ntwo\nthree\n"));
    const seen: string[] = [];
    const write = (text: string): void => {
      seen.push(text);
      if (text === "three\n") {
        output.append(0, Buffer.from("four\n"));
        child.kill("SIGKILL");
      }
    };
    const terminal = { write, complain: write, colour: false, columns: undefined };
    const { code } = await call(["logs", "proc_1", "-f", "-n", "1", "--root", root], {
      terminal,
      clock: { ...systemClock, after: keepAwake },
    });
    output.close();
    assert.equal(code, 0);
    assert.deepEqual(seen, ["three\n", "four\n"]);
    await made.store.close();
  });

  void it("names the session that has a subagent's text", async () => {
    const root = folder();
    const made = await owner(
      2,
      root,
      subagent("bg_1", { sessionID: "ses_child" }),
      subagent("bg_2", { sessionID: undefined }),
    );
    const { code, err } = await call(["logs", "bg_1", "--root", root]);
    assert.equal(code, 1);
    assert.match(
      err,
      /bg_1 is a subagent: its text is in its session: opencode -s ses_child in \/project\n/,
    );
    assert.match((await call(["logs", "bg_2", "--root", root])).err, /it has no session yet/);
    await made.store.close();
  });

  void it("follows until the process ends whose owner is gone", async () => {
    const root = folder();
    const { child, job } = realProcess("proc_1");
    const made = await owner(2, root, job);
    const output = log(outputFileOf(made.store, "proc_1"));
    const seen: string[] = [];
    const write = (text: string): void => {
      seen.push(text);
      if (text === "first\n") {
        output.append(0, Buffer.from("second\n"));
      } else if (text === "second\n") {
        output.append(0, Buffer.from("last\n"));
        child.kill("SIGKILL");
      }
    };
    output.append(0, Buffer.from("first\n"));
    const terminal = { write, complain: write, colour: false, columns: undefined };
    const { code } = await call(["logs", "proc_1", "-f", "--root", root], {
      terminal,
      clock: { ...systemClock, after: keepAwake },
    });
    output.close();
    assert.equal(code, 0);
    assert.deepEqual(seen, ["first\n", "second\n", "last\n"]);
    await made.store.close();
  });

  void it("follows beyond the shell's exit while its owner lives, until the record has ended", async () => {
    const root = folder();
    const { child, job } = realProcess("proc_1");
    const made = await owner(1, root, job);
    const output = log(outputFileOf(made.store, "proc_1"));
    output.append(0, Buffer.from("first\n"));
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    let looks = 0;
    const after = (_: number, callback: () => void) => {
      looks += 1;
      if (looks % 10 === 0) output.append(0, Buffer.from(`after ${looks} looks\n`));
      if (looks === 50) {
        made.jobs.end("proc_1", { status: "completed", reason: "finished", at: new Date() });
        made.store.flushSync();
      }
      const next = setImmediate(callback);
      return { cancel: () => clearImmediate(next) };
    };
    const { code, out } = await call(["logs", "proc_1", "-f", "--root", root], {
      clock: { ...systemClock, after },
    });
    output.close();
    assert.equal(code, 0);
    const late = [10, 20, 30, 40, 50].map((count) => `after ${count} looks\n`);
    assert.equal(out, `first\n${late.join("")}`);
    assert.equal(looks, 50);
    await made.store.close();
  });

  void it("follows a process that is started again into its next run", async () => {
    const root = folder();
    const { child, job } = realProcess("proc_1");
    const made = await owner(1, root, job);
    const file = outputFileOf(made.store, "proc_1");
    const outputs = [log(file)];
    outputs[0]?.append(0, Buffer.from("first\n"));
    let looks = 0;
    const after = (_: number, callback: () => void) => {
      looks += 1;
      if (looks === 10) {
        outputs[0]?.append(0, Buffer.from("its last words\n"));
        setAside(file, "proc_1", 1);
      }
      if (looks === 20) {
        const next = log(file);
        outputs.push(next);
        next.append(0, Buffer.from("second\n"));
      }
      if (looks === 30) {
        outputs[1]?.append(0, Buffer.from("the end\n"));
        made.jobs.end("proc_1", { status: "completed", reason: "finished", at: new Date() });
        made.store.flushSync();
      }
      const next = setImmediate(looks === 100 ? () => assert.fail("it does not end") : callback);
      return { cancel: () => clearImmediate(next) };
    };
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    const { code, out } = await call(["logs", "proc_1", "-f", "-n", "1", "--root", root], {
      clock: { ...systemClock, after },
    });
    for (const output of outputs) output.close();
    assert.equal(code, 0);
    assert.equal(out, "first\nits last words\nsecond\nthe end\n");
    await made.store.close();
  });

  void it("stops following when it is interrupted", async () => {
    const root = folder();
    const { job } = realProcess("proc_1");
    const made = await owner(1, root, job);
    const interrupted = new AbortController();
    const output = log(outputFileOf(made.store, "proc_1"));
    output.append(0, Buffer.from("first\n"));
    const write = () => interrupted.abort();
    const { code } = await call(["logs", "proc_1", "-f", "--root", root], {
      terminal: { write, complain: write, colour: false, columns: undefined },
      clock: { ...systemClock, after: keepAwake },
      signal: interrupted.signal,
    });
    output.close();
    assert.equal(code, 0);
    await made.store.close();
  });

  void it("has nothing for a process without output, and refuses subagents", async () => {
    const root = folder();
    const made = await owner(2, root, processJob("proc_1"), subagent("bg_1"));
    assert.deepEqual(await call(["logs", "proc_1", "--root", root]), { code: 0, out: "", err: "" });
    assert.equal((await call(["logs", "bg_1", "--root", root])).code, 1);
    await made.store.close();
  });
});

function keepAwake(milliseconds: number, callback: () => void) {
  const timer = setTimeout(callback, milliseconds);
  return { cancel: () => clearTimeout(timer) };
}
