/** The same questions as the host's own bash tool: both tools are called with the same commands on a real host. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { agents } from "../../fixtures/commands/corpora.js";
import { judgeCommand } from "../../src/permission/judge.js";
import { Opaque } from "../../src/permission/words.js";
import { text, toolCall } from "../../fixtures/model/index.js";
import { matches } from "../permission/host-rules.js";
import { useHost, type Bed } from "./use-host.js";

const COMMANDS = 200;
const AT_ONCE = 20;
/** What ours asks besides: the command behind a wrapper (`find -exec`, `xargs`). */
const BEHIND_WRAPPERS = ["grep -l TODO", "wc -l", "sed -n 1,5p"];

interface Questions {
  directories: string[];
  patterns: string[];
  always: string[];
}

/** Asks for every command, starts none: what is outside may be used, the commands are rejected. */
async function questionsOf(
  bed: Bed,
  tool: string,
  commands: readonly string[],
): Promise<Questions[]> {
  const { host, model } = bed;
  const session = await host.createSession({ title: tool });
  const ids = commands.map((_, index) => `call_${session.id}_${index}`);
  model.scriptSession(session.id, [
    commands.map((command, index) => toolCall(tool, { command }, ids[index])),
    text("rejected"),
  ]);
  const run = host.run(session.id, "ask for all of them");
  const answered = new Set<string>();
  const found: Questions[] = [];
  let last = "";
  for (const callID of ids) {
    const questions: Questions = { directories: [], patterns: [], always: [] };
    for (let ends = false; !ends;) {
      const { properties } = await host.waitFor(
        "permission.asked",
        (it) => it.tool?.callID === callID && !answered.has(it.id),
      );
      answered.add(properties.id);
      ends = properties.permission === "bash";
      if (ends) {
        questions.patterns.push(...properties.patterns);
        questions.always.push(...properties.always);
        last = properties.id;
      } else {
        questions.directories.push(...properties.patterns);
        await host.answerPermission(properties.id, "once");
      }
    }
    found.push(questions);
  }
  // Of several that wait in one session a rejection ends all.
  await host.answerPermission(last, "reject");
  await run;
  return found;
}

function isPlain(command: string): boolean {
  try {
    judgeCommand(command);
    return true;
  } catch (error) {
    if (error instanceof Opaque) return false;
    throw error;
  }
}

describe("a plain command", () => {
  const bed = useHost({
    config: { permission: { bash: "ask", external_directory: "ask" } },
    env: { SHELL: "/bin/bash" },
  });

  bed.test(`asks what the host's bash tool asks, ${COMMANDS} times`, async () => {
    const commands = agents().filter(isPlain).slice(0, COMMANDS);
    assert.equal(commands.length, COMMANDS);
    const differences: string[] = [];
    const counts = { commands: 0, samePatterns: 0, sameAlways: 0, sameDirectories: 0 };
    for (let from = 0; from < commands.length; from += AT_ONCE) {
      const part = commands.slice(from, from + AT_ONCE);
      const theirs = await questionsOf(bed, "bash", part);
      const ours = await questionsOf(bed, "createBackgroundProcess", part);
      for (const [index, command] of part.entries()) {
        const [host, own] = [theirs[index], ours[index]];
        assert.ok(host && own);
        counts.commands++;
        const missing = host.patterns.filter((it) => !own.patterns.includes(it));
        // Ours asks each command in the spelling of a rule, too: what an answer to the host's covers.
        const extra = own.patterns.filter(
          (it) =>
            !host.patterns.includes(it) &&
            !BEHIND_WRAPPERS.includes(it) &&
            !host.always.some((rule) => matches(it, rule)),
        );
        const always = host.always.filter((it) => !own.always.includes(it));
        const directories = host.directories.filter((it) => !own.directories.includes(it));
        if (missing.length + extra.length === 0) counts.samePatterns++;
        if (always.length === 0) counts.sameAlways++;
        if (directories.length === 0) counts.sameDirectories++;
        if (missing.length + extra.length + always.length + directories.length > 0)
          differences.push(JSON.stringify({ command, missing, extra, always, directories }));
      }
    }
    console.log(JSON.stringify(counts));
    console.log(differences.join("\n"));
    assert.deepEqual(differences, []);
  });
});
