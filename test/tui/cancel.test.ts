// A job that is ended in the terminal: silence is told, but not of an end that may still be under way.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createOpencodeClient } from "@opencode-ai/sdk/v2";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import type { Job } from "../../src/jobs/job.js";
import schema from "../../src/options.schema.json" with { type: "json" };
import { cancelJob } from "../../src/tui/jobs/cancel.js";
import { FakeClock, settle } from "../fakes/clock.js";
import { answering } from "./answering.js";
import { shown } from "./shown.js";

/** The user confirms that this job is ended; nothing comes of it. */
async function cancelled(job: Job) {
  const clock = new FakeClock();
  const toasts: string[] = [];
  const published = () => Response.json(true);
  cancelJob(
    {
      clock,
      api: {
        client: createOpencodeClient({ baseUrl: "http://server", fetch: answering(published) }),
        ui: {
          dialog: {
            replace: (render) => void render(),
            clear: () => undefined,
            setSize: () => undefined,
            size: "medium",
            depth: 0,
            open: false,
          },
          DialogConfirm: ({ onConfirm }) => {
            onConfirm?.();
            return null;
          },
          toast: ({ message }) => void toasts.push(message),
        },
      },
      source: { snapshot: () => ({ jobs: [shown(job)], at: clock.now() }) },
    },
    shown(job),
  );
  while (clock.pending === 0) await settle();
  return { clock, toasts };
}

void describe("a job that goes on although it was ended", () => {
  // What else an end may take: the sweep, the last output, the delay of the state on disk; each 2 s.
  const rest = 6_000;
  for (const [job, longest] of [
    [aProcess(), schema.properties.killGraceMilliseconds.maximum + rest],
    [aSubagent(), 10_000 + rest - 2_000],
  ] as const) {
    test(`is told of, a ${job.kind} when nothing can still be under way`, async () => {
      const { clock, toasts } = await cancelled(job);
      await clock.advance(longest);
      assert.deepEqual(toasts, []);
      await clock.advance(5_000);
      assert.equal(toasts.length, 1);
      assert.match(toasts[0] ?? "", /: still runs; .* did not react$/u);
      assert.equal(clock.pending, 0);
    });
  }
});
