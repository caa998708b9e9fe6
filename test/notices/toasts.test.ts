/** What the user reads in the terminal: words, not codes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Toasts } from "../../src/notices/toasts.js";
import type { Job } from "../../src/jobs/job.js";
import { FakeClock } from "../fakes/clock.js";
import { process, subagent } from "./jobs.js";

async function shown(...ended: Job[]): Promise<string[]> {
  const clock = new FakeClock();
  const messages: string[] = [];
  const toasts = new Toasts(clock, (message) => void messages.push(message));
  for (const job of ended) toasts.ended(job);
  await clock.advance(300);
  return messages;
}

void describe("a toast says", () => {
  for (const [job, words] of [
    [process({ status: "completed", endReason: "finished", exitCode: 0 }), "completed"],
    [
      process({ status: "failed", endReason: "error", exitCode: 7, error: "exit code 7" }),
      "failed: exit 7",
    ],
    [
      process({ status: "failed", endReason: "error", signal: "SIGSEGV", error: "signal SIGSEGV" }),
      "failed: ended by SIGSEGV",
    ],
    [
      process({
        status: "failed",
        endReason: "timeout",
        error: "ended after 5 s (timeoutSeconds)",
      }),
      "failed: ended after 5 s (timeoutSeconds)",
    ],
    [
      subagent({ status: "failed", endReason: "error", error: "scripted: HTTP 401: no\u001b key" }),
      "failed: scripted: HTTP 401: no key",
    ],
    [subagent({ status: "failed", endReason: "never_started" }), "failed: never started"],
    [subagent({ status: "cancelled", endReason: "cancelled_by_user" }), "cancelled by you"],
    [subagent({ status: "cancelled", endReason: "cancelled_by_agent" }), "cancelled by the agent"],
    [subagent({ status: "cancelled", endReason: "session_deleted" }), "cancelled with its session"],
  ] as const) {
    void it(`"${words}"`, async () => {
      assert.deepEqual(await shown(job), [`"a job" ${words}`]);
    });
  }

  void it("a name as a name, whatever is in it", async () => {
    const job = subagent({ status: "completed", name: 'x"\n"y" failed: exit 1\u202e' });
    assert.deepEqual(await shown(job), [`"x' 'y' failed: exit 1" completed`]);
  });

  void it("for whom a job waits", async () => {
    const clock = new FakeClock();
    const messages: string[] = [];
    const toasts = new Toasts(clock, (message) => void messages.push(message));
    toasts.concern(subagent(), "blocked", "permission bash: ls");
    toasts.concern(process(), "stalled", "no sign of life for 10 min");
    toasts.concern(process(), "password", "[sudo] password for ada:");
    await clock.advance(300);
    assert.deepEqual(messages, [
      [
        '"a job" waits for you: permission bash: ls',
        '"a job" stalled: no sign of life for 10 min',
        '"a job" asks for a password, type it in its dialog (/background): [sudo] password for ada:',
      ].join("\n"),
    ]);
  });
});
