/** The same questions as the host's own bash tool: both tools are called with the same commands on a real host. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { agents, isPlain } from "../../fixtures/commands/corpora.js";
import { matches } from "../permission/host-rules.js";
import { questionsOf, type Question } from "./questions.js";
import { shareServer, useProject } from "./use-host.js";

shareServer();

const COMMANDS = 200;
const AT_ONCE = 20;
/** What ours asks besides: the command behind a wrapper (`find -exec`, `xargs`). */
const BEHIND_WRAPPERS = ["grep -l TODO", "wc -l", "sed -n 1,5p"];

/** By what they are about. */
function sorted(questions: readonly Question[] | undefined) {
  assert.ok(questions);
  const of = (name: string) => questions.filter(({ permission }) => permission === name);
  return {
    directories: of("external_directory").flatMap(({ patterns }) => patterns),
    patterns: of("bash").flatMap(({ patterns }) => patterns),
    always: of("bash").flatMap(({ always }) => always),
  };
}

describe("a plain command", () => {
  const bed = useProject({
    config: { permission: { bash: "ask", external_directory: "ask" } },
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
        const [host, own] = [sorted(theirs[index]), sorted(ours[index])];
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
