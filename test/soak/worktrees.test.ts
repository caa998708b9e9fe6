/**
 * A host that is killed at any moment while subagents work in worktrees loses no commit of theirs, and leaves no folder
 * that doctor does not know.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { delay, forever, text, toolCall, type ModelRequest } from "../../fixtures/model/index.js";
import { launch } from "../e2e/support.js";
import { useHost } from "../e2e/use-host.js";
import { randomFrom, seed } from "../random.js";
import { rounds } from "../rounds.js";

const HOUR_MS = 3_600_000;
const CHILDREN = 3;
/** Making a worktree takes one to three seconds, its subagent two more. */
const LATEST_KILL_MS = 8_000;
const ASKED = "what became of them?";

const diagnosis = z.object({ worktrees: z.array(z.object({ folder: z.string() })) });

function git(cwd: string, ...args: string[]): string {
  return execFileSync("git", args, { cwd, encoding: "utf8", stdio: "pipe" }).trim();
}

const MOST_MORE = 10;

describe("a host that is killed while subagents work in worktrees", () => {
  const bed = useHost({ pluginOptions: { toasts: false } });
  const count = rounds(10);
  const random = randomFrom(seed);

  bed.test(
    `loses no commit and no folder from sight, killed ${count} times (seed ${seed})`,
    async () => {
      const { host, model } = bed;
      const data = join(host.state, "data", "opencode", "worktree");
      const folders = () =>
        existsSync(data)
          ? readdirSync(data).flatMap((project) =>
              readdirSync(join(data, project)).map((name) => join(data, project, name)),
            )
          : [];
      const known = (): Set<string> => {
        const main = join(PACKAGE_ROOT, "dist", "cli", "main.js");
        const env = { ...process.env, XDG_STATE_HOME: join(host.state, "state") };
        const args = [main, "doctor", "--json"];
        const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8", env });
        return new Set(diagnosis.parse(JSON.parse(stdout)).worktrees.map(({ folder }) => folder));
      };
      const sum = { folders: 0, unknown: 0, commits: 0, lost: 0 };
      // Rounds that end before there is a worktree try nothing out.
      for (
        let round = 0;
        round < count || (sum.folders === 0 && round < count + MOST_MORE);
        round += 1
      ) {
        const { id } = await host.createSession({ title: `worktrees ${round}` });
        // What each has committed itself is noted outside of its folder.
        const commits = join(host.folders.scratch, `commits-${round}`);
        const names = Array.from(
          { length: CHILDREN },
          (_, index) => `round ${round} child ${index}`,
        );
        for (const name of names) {
          const work = [
            `echo '${name}' > work.txt`,
            "git add work.txt",
            "git -c user.name=t -c user.email=t@localhost commit --quiet -m work",
            `git rev-parse HEAD >> ${commits}`,
            "echo more > more.txt",
          ].join(" && ");
          const bash = toolCall("bash", { command: work, description: "work" });
          model.script(name, [
            bash,
            [delay(random() * 2_000), text("done")],
            forever(text("done")),
          ]);
        }
        const start = (request: ModelRequest) =>
          request.allText.includes(ASKED)
            ? text("noted")
            : names.map((name) => launch(name, { worktree: true }));
        model.scriptSession(id, [start, forever(text("noted"))]);
        await host.prompt(id, "start");
        // The moment itself is what is tried out: no event may choose it.
        await sleep(random() * LATEST_KILL_MS);
        await host.stop("SIGKILL");
        const seen = known();
        const there = folders();
        sum.folders += there.length;
        sum.unknown += there.filter((folder) => !seen.has(folder)).length;
        await host.start();
        await host.run(id, ASKED);
        const noted = existsSync(commits)
          ? execFileSync("cat", [commits], { encoding: "utf8" })
          : "";
        for (const commit of noted.split("\n").filter(Boolean)) {
          sum.commits += 1;
          const at = git(host.project, "branch", "--contains", commit, "--list", "opencode/*");
          if (at === "") sum.lost += 1;
        }
        const after = known();
        sum.unknown += folders().filter((folder) => !after.has(folder)).length;
      }
      console.log(`SIGKILLs: ${count}, ${JSON.stringify(sum)}`);
      assert.equal(sum.unknown, 0);
      assert.equal(sum.lost, 0);
      assert.ok(sum.folders > 0, "no round came as far as a worktree");
    },
    HOUR_MS,
  );
});
