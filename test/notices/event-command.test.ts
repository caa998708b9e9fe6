/** The user's command for events, as a real process: what it reads, in which order, and what ends it. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { JobRegistry } from "../../src/jobs/registry.js";
import {
  EVENT_COMMAND_LIMIT_MS,
  EVENT_QUEUE_LIMIT,
  EventCommand,
} from "../../src/notices/event-command.js";
import { FakeClock } from "../fakes/clock.js";
import { FakeHost } from "../fakes/host.js";
import { process as aProcess, subagent } from "./jobs.js";

const APPEND = fileURLToPath(new URL("../../fixtures/programs/append-stdin.mjs", import.meta.url));

interface Fixture {
  jobs: JobRegistry;
  clock: FakeClock;
  host: FakeHost;
  command: EventCommand;
  logged: string[];
  file: string;
  /** Resolves when the file has so many lines. */
  lines: (count: number, name?: string) => Promise<string[]>;
}

function fixture(
  t: TestContext,
  options: { onEvent?: string[]; onEventText?: boolean; hold?: boolean } = {},
): Fixture {
  const folder = mkdtempSync(join(tmpdir(), "obm-event-"));
  const file = join(folder, "events");
  const logged: string[] = [];
  const log = (level: string, message: string) => void logged.push(`${level}: ${message}`);
  const clock = new FakeClock();
  const host = new FakeHost(clock);
  host.addSession({ id: "ses_parent", title: "my session" });
  const jobs = new JobRegistry(log);
  const usual = [process.execPath, APPEND, file, ...(options.hold ? ["hold"] : [])];
  const { onEvent = usual, onEventText = false } = options;
  const settings = { onEvent, onEventText };
  const command = new EventCommand({
    host,
    jobs,
    clock,
    log,
    options: settings,
    directory: folder,
  });
  t.after(() => {
    command.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const lines = (count: number, name = file) =>
    new Promise<string[]>((resolve) => {
      const watcher = watch(folder, () => look());
      const look = (): void => {
        const found = existsSync(name) ? readFileSync(name, "utf8").split("\n").slice(0, -1) : [];
        if (found.length < count) return;
        watcher.close();
        resolve(found);
      };
      look();
    });
  return { jobs, clock, host, command, logged, file, lines };
}

const end = (at: Date, more: object = {}) =>
  ({ status: "failed", reason: "error", error: "exit code 3", at, ...more }) as const;

void describe("onEvent", () => {
  void it("gives the command one JSON line with these fields and no others", async (t) => {
    const { jobs, clock, lines, file } = fixture(t);
    const job = aProcess({ command: "SECRET=1 run", startedAt: new Date(clock.now() - 2_500) });
    jobs.add(job);
    jobs.updateProcess(job.id, { exitCode: 3 });
    jobs.end(job.id, end(new Date(clock.now()), { quote: { text: "words", total: 5 } }));
    const [line = ""] = await lines(1);
    const event: unknown = JSON.parse(line);
    assert.deepEqual(event, {
      version: 1,
      event: "ended",
      id: job.id,
      kind: "process",
      name: "a job",
      status: "failed",
      endReason: "error",
      exitCode: 3,
      seconds: 2.5,
      folder: join(file, ".."),
      sessionID: "ses_parent",
      sessionTitle: "my session",
    });
  });

  for (const [reason, event] of [
    ["crash_loop", "crash_loop"],
    ["budget", "budget"],
    ["dependency_failed", "ended"],
  ] as const) {
    void it(`calls an end by ${reason} "${event}"`, async (t) => {
      const { jobs, clock, lines } = fixture(t);
      const job = subagent();
      jobs.add(job);
      const status = reason === "dependency_failed" ? "cancelled" : "failed";
      jobs.end(job.id, { status, reason, at: new Date(clock.now()) });
      const [line = ""] = await lines(1);
      const told: unknown = JSON.parse(line);
      assert.ok(typeof told === "object" && told !== null && "event" in told);
      assert.equal(told.event, event);
      assert.ok("endReason" in told && told.endReason === reason);
    });
  }

  void it("adds the words of the end only with onEventText", async (t) => {
    const { jobs, clock, lines } = fixture(t, { onEventText: true });
    jobs.add(subagent());
    const quote = { text: "my report\nin two lines", total: 22 };
    jobs.end("bg_0123456789", {
      status: "completed",
      reason: "finished",
      at: new Date(clock.now()),
      quote,
    });
    const [line = ""] = await lines(1);
    assert.match(line, /"text":"my report\\nin two lines"/u);
  });

  void it("tells a block and a stall once each, in order, and what was blocked before is not new", async (t) => {
    const { jobs, clock, lines } = fixture(t);
    const since = new Date(clock.now());
    const blockedOn = {
      kind: "permission" as const,
      what: "bash",
      since,
      sessionID: "s",
      requestID: "per_1",
    };
    jobs.add(subagent({ id: "bg_earlier000", blockedOn }));
    jobs.updateSubagent("bg_earlier000", { cost: 1 });
    jobs.add(subagent());
    jobs.updateSubagent("bg_0123456789", { blockedOn });
    jobs.updateSubagent("bg_0123456789", { cost: 2 });
    jobs.updateSubagent("bg_0123456789", { blockedOn: undefined, stalledSince: since });
    jobs.updateSubagent("bg_0123456789", { stalledSince: undefined });
    jobs.updateSubagent("bg_0123456789", { blockedOn: { ...blockedOn, requestID: "per_2" } });
    const events = (await lines(3)).map((line) => /"event":"(\w+)"/u.exec(line)?.[1]);
    assert.deepEqual(events, ["blocked", "stalled", "blocked"]);
  });

  void it("keeps at most 100 waiting: the oldest are dropped, counted and said once", async (t) => {
    const { jobs, clock, command, lines, logged, file } = fixture(t, { hold: true });
    const ids = Array.from({ length: 1 + EVENT_QUEUE_LIMIT + 7 }, (_, n) => `bg_${n}`);
    for (const id of ids) jobs.add(subagent({ id }));
    const [first = "", ...rest] = ids;
    jobs.end(first, end(new Date(clock.now())));
    await lines(1);
    for (const id of rest) jobs.end(id, end(new Date(clock.now())));
    assert.equal(command.dropped, 7);
    assert.equal(logged.filter((line) => line.includes("too slow")).length, 1);
    // The one that runs is killed at its limit; the next is the oldest that was kept.
    await clock.advance(EVENT_COMMAND_LIMIT_MS);
    const [, second = ""] = await lines(2, file);
    assert.match(second, /"id":"bg_8"/u);
  });

  void it("kills the whole process group of a command that takes longer than 10 s", async (t) => {
    const { jobs, clock, lines, file, logged } = fixture(t, { hold: true });
    jobs.add(subagent());
    jobs.end("bg_0123456789", end(new Date(clock.now())));
    const pids = await lines(2, `${file}.pids`);
    await lines(1);
    await clock.advance(EVENT_COMMAND_LIMIT_MS);
    for (const pid of pids) await gone(Number(pid));
    await until(() => logged.length > 0);
    assert.deepEqual(logged, [
      "warn: onEvent: the command failed; further failures are not logged",
    ]);
  });

  void it("leaves alone what it may not end, as a command of sudo, and goes on", async (t) => {
    const { jobs, clock, lines, logged, file } = fixture(t, { hold: true });
    for (const id of ["bg_1", "bg_2"]) {
      jobs.add(subagent({ id }));
      jobs.end(id, end(new Date(clock.now())));
    }
    await lines(1);
    const [pid] = (await lines(2, `${file}.pids`)).map(Number);
    t.after(() => process.kill(-Number(pid), "SIGKILL"));
    const kill = t.mock.method(process, "kill", () => {
      throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
    });
    await clock.advance(EVENT_COMMAND_LIMIT_MS);
    kill.mock.restore();
    await lines(2);
    assert.equal(logged.filter((line) => line.startsWith("warn")).length, 1);
  });

  void it("logs a command that cannot start once, and goes on", async (t) => {
    const { jobs, clock, logged, host } = fixture(t, { onEvent: ["/nowhere/tell-me"] });
    for (const id of ["bg_1", "bg_2", "bg_3"]) {
      jobs.add(subagent({ id }));
      jobs.end(id, end(new Date(clock.now())));
    }
    await until(() => host.calls.get("session") === 3);
    assert.equal(logged.filter((line) => line.startsWith("warn")).length, 1);
  });

  void it("is killed when OpenCode closes, and what waits is dropped", async (t) => {
    const { jobs, clock, command, lines, file } = fixture(t, { hold: true });
    for (const id of ["bg_1", "bg_2"]) {
      jobs.add(subagent({ id }));
      jobs.end(id, end(new Date(clock.now())));
    }
    const pids = await lines(2, `${file}.pids`);
    command.close();
    for (const pid of pids) await gone(Number(pid));
    assert.ok(!readFileSync(`${file}.pids`, "utf8").includes("bg_2"));
  });
});

/** Polls what no event announces, a process that is no child of this one; the runner's limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function gone(pid: number): Promise<void> {
  return until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
}
