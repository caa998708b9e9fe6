/**
 * What a user sees of a tool call while it runs. The host's `ctx.metadata()` does nothing for a plugin's tool, but a
 * part of a message can be replaced: the call's own, which is read once and written again with other output. The
 * answer of the call replaces all of it; a write that came later would bring the call back to life, so a caller
 * waits for the last one before it answers.
 */
import { z } from "zod";
import type { RunningCall } from "./host.js";
import type { Transport } from "./transport.js";

const part = z.looseObject({
  id: z.string(),
  type: z.literal("tool"),
  callID: z.string(),
  state: z.looseObject({
    status: z.literal("running"),
    metadata: z.record(z.string(), z.unknown()).optional(),
  }),
});

const message = z.object({ parts: z.array(z.unknown()) });

/** `url` is that of the message. */
export async function runningCall(
  api: Pick<Transport, "send">,
  url: string,
  callID: string,
): Promise<RunningCall | undefined> {
  const what = "read a running call";
  const { parts } = await api.send({ what, method: "GET", url, answer: message });
  const own = parts
    .flatMap((each) => part.safeParse(each).data ?? [])
    .find((each) => each.callID === callID);
  if (!own) return undefined;
  const { id, state } = own;
  return {
    async show(output) {
      await api.send({
        what: "show the output of a running call",
        method: "PATCH",
        url: `${url}/part/${encodeURIComponent(id)}`,
        body: { ...own, state: { ...state, metadata: { ...state.metadata, output } } },
        answer: z.unknown(),
      });
    },
  };
}
