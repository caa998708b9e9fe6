/** What is typed into processes, against rules as the host matches them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PermissionRule } from "../../src/host/host.js";
import {
  askForInput,
  startsShell,
  type InputLine,
} from "../../src/process/input/input-permission.js";
import { deniesCommands } from "../../src/host/rules.js";
import { HIDDEN_CODE } from "../../src/permission/patterns.js";
import { bashRules, hostAsk, type Asking } from "../permission/host-rules.js";

const ALL: PermissionRule[] = [{ permission: "*", pattern: "*", action: "allow" }];

function line(text: string, { isComplete = true, isEdited = false } = {}): InputLine {
  return { text, isComplete, isEdited };
}

async function ask(
  command: string,
  lines: readonly InputLine[],
  { rules = ALL, context = "" }: { rules?: PermissionRule[]; context?: string } = {},
) {
  const log: Asking[] = [];
  const next = await askForInput({
    command,
    lines,
    context,
    cwd: "/project",
    directory: "/project",
    worktree: "/project",
    shell: "/bin/bash",
    ask: hostAsk(rules, log),
    rules: async () => rules,
    deniesCommands: async () => deniesCommands(rules),
  });
  return {
    patterns: log.map(({ patterns }) => patterns),
    always: log.map((it) => it.always),
    next,
  };
}

void describe("what is typed into a program", () => {
  void it("is asked as COMMAND <<< INPUT, a pattern for each line", async () => {
    const { patterns, always } = await ask("python3 -i", [
      line("print(1)"),
      line("x", { isComplete: false }),
    ]);
    assert.deepEqual(patterns, [["python3 -i <<< print(1)", "python3 -i <<< x"]]);
    assert.deepEqual(always, [["python3 -i <<< *"]]);
  });

  void it("a rule that allows a program allows its input, and one may deny some of it", async () => {
    const rules = bashRules({
      "*": "ask",
      "python3 *": "allow",
      "python3 *<<<*os.system*": "deny",
    });
    await ask("python3 -i", [line("print(1)")], { rules });
    await assert.rejects(ask("python3 -i", [line("os.system('x')")], { rules }), /deny/u);
    await assert.rejects(ask("node -i", [line("1")], { rules }), /ask: node -i <<< 1/u);
  });

  void it("every program of the command must be allowed", async () => {
    const rules = bashRules({ "*": "ask", "echo *": "allow" });
    await assert.rejects(ask("echo a && python3 -i", [line("x")], { rules }), /python3 -i <<< x/u);
  });

  void it("a command that cannot be read takes a rule for all", async () => {
    const { patterns } = await ask("$(cat file)", [line("x")]);
    assert.equal(patterns[0]?.[0], HIDDEN_CODE);
    const rules = bashRules({ "*": "ask", "cat *": "allow" });
    await assert.rejects(ask("$(cat file)", [line("x")], { rules }), /hidden-code/u);
  });

  void it("an agent whose bash is denied cannot even interrupt; otherwise that asks nothing", async () => {
    assert.deepEqual((await ask("python3", [])).patterns, []);
    await assert.rejects(
      ask("python3", [], { rules: bashRules({ "*": "deny" }) }),
      /bash is denied/u,
    );
    await ask("python3", [], { rules: bashRules({ "*": "deny", "python3 *": "allow" }) });
  });
});

void describe("what is typed into a shell", () => {
  void it("a command that starts one is known by any of its words", () => {
    for (const command of [
      "bash",
      "/bin/sh -i",
      "ssh host",
      "docker exec -it x sh",
      "su - ada",
      "make shell",
      "npm run x; zsh",
      'b"a"sh',
      "sudo -s",
    ]) {
      assert.equal(startsShell(command), true, command);
    }
    for (const command of ["python3 -i", "npm init", "./run.sh", "esbuild --watch", "git push"]) {
      assert.equal(startsShell(command), false, command);
    }
  });

  void it("is asked line by line as commands", async () => {
    const { patterns } = await ask("bash -i", [line("git status"), line(""), line("ls -l")]);
    assert.deepEqual(patterns, [["git status"], ["ls -l"]]);
    const rules = bashRules({ "*": "ask", "bash *": "allow", "git status": "allow" });
    await ask("bash -i", [line("git status")], { rules });
    await assert.rejects(ask("bash -i", [line("git push")], { rules }), /ask: git push/u);
  });

  void it("is opaque where it is unfinished, or edited by keys", async () => {
    for (const typed of [
      line("git st", { isComplete: false }),
      line("git status C-a rm ", { isEdited: true }),
    ]) {
      const { patterns } = await ask("bash", [typed]);
      assert.equal(patterns[0]?.[0], HIDDEN_CODE);
    }
    const rules = bashRules({ "*": "allow", "git push*": "deny" });
    await assert.rejects(
      ask("bash", [line("git", { isComplete: false })], { rules }),
      /cannot be read/u,
    );
  });

  void it("lines that belong together are asked together", async () => {
    const rules = bashRules({ "*": "allow", "git push*": "deny" });
    for (const [first, second] of [
      ["git \\", "push"],
      ["if true; then", "git push; fi"],
      ["echo 'a", "b' && git push 'x'"],
      ["cat <<E", "$(git push)"],
    ] as const) {
      const { next } = await ask("bash", [line(first)]);
      assert.equal(next, `${first}\n`);
      await assert.rejects(ask("bash", [line(second)], { rules, context: next }), first);
    }
    assert.equal((await ask("bash", [line("echo 'a b' \"c\"")])).next, "");
  });

  void it("a folder that was changed to counts for the lines after it", async () => {
    const { next } = await ask("bash", [line("cd /etc")]);
    const rules: PermissionRule[] = [
      ...ALL,
      { permission: "external_directory", pattern: "*", action: "deny" },
    ];
    await assert.rejects(ask("bash", [line("cat hosts")], { rules, context: next }), /etc/u);
  });
});
