/** What a tool of a real host asks its user before it runs a command. */
import { text, toolCall } from "../../fixtures/model/index.js";
import type { TestBed } from "./support.js";

export interface Question {
  permission: string;
  patterns: string[];
  always: string[];
}

/**
 * All that is asked for each of these commands, in order. None is started: what is outside may be used, the commands
 * themselves, which are asked last, are rejected.
 */
export async function questionsOf(
  { host, model }: TestBed,
  tool: string,
  commands: readonly string[],
): Promise<Question[][]> {
  const session = await host.createSession({ title: tool });
  const ids = commands.map((_, index) => `call_${session.id}_${index}`);
  model.scriptSession(session.id, [
    commands.map((command, index) => toolCall(tool, { command }, ids[index])),
    text("rejected"),
  ]);
  const run = host.run(session.id, "ask for all of them");
  const answered = new Set<string>();
  const found: Question[][] = [];
  let last = "";
  for (const callID of ids) {
    const questions: Question[] = [];
    for (let ends = false; !ends;) {
      const { properties } = await host.waitFor(
        "permission.asked",
        (it) => it.tool?.callID === callID && !answered.has(it.id),
      );
      const { id, permission, patterns, always } = properties;
      answered.add(id);
      questions.push({ permission, patterns, always });
      ends = permission === "bash";
      if (ends) last = id;
      else await host.answerPermission(id, "once");
    }
    found.push(questions);
  }
  // Of several that wait in one session a rejection ends all.
  await host.answerPermission(last, "reject");
  await run;
  return found;
}
