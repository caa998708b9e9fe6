/** What is typed into processes, against rules as the host matches them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PermissionRule } from "../../src/host/host.js";
import { askForInput, startsShell } from "../../src/process/input/input-permission.js";
import { OpenLine, piecesOf, type TypedLine } from "../../src/process/input/typed.js";
import { deniesCommands } from "../../src/host/rules.js";
import { HIDDEN_CODE } from "../../src/permission/patterns.js";
import { bashRules, hostAsk, type Asking } from "../permission/host-rules.js";

const ALL: PermissionRule[] = [{ permission: "*", pattern: "*", action: "allow" }];

function line(text: string, { isComplete = true, isEdited = false } = {}): TypedLine {
  return { text, isComplete, isEdited };
}

async function ask(
  command: string,
  lines: readonly TypedLine[],
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
      "bash-5.2 -i",
      "docker-compose run web",
      "at now",
      "fakeroot",
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

  void it("is opaque where a shell that is interactive, or another one, would run something else", async () => {
    for (const [shell, text] of [
      ["bash -i", "^echo^rm"],
      ["bash -i", "!rm"],
      ["bash -i", 'echo "!!:1"'],
      ["bash -i", "echo 'a\n^echo^rm'"],
      ["zsh -i", "echo a # ; rm x"],
      ["zsh -i", "echo \\' # '; rm x"],
      ["dash", "echo a &> log rm x"],
      ["dash", "[[ a || rm ]]"],
      ["zsh", "{rm}"],
      ["fish", "not rm x"],
      ["pwsh-7", "rm x"],
      ["ksh93; fish", "ls"],
    ] as const) {
      const { patterns } = await ask(shell, [line(text)]);
      assert.equal(patterns[0]?.[0], HIDDEN_CODE, `${shell}: ${text}`);
    }
    for (const text of [
      "ls # x",
      "[ ! -f a ]",
      "[ $# != 0 ]",
      "echo 'a # b'",
      "kill $!",
      "git log x^",
    ]) {
      const { patterns } = await ask("bash -i", [line(text)]);
      assert.equal(patterns[0]?.[0] === HIDDEN_CODE, text.startsWith("ls"), text);
    }
  });

  void it("is asked alone after a line that is whole", async () => {
    for (const text of ['echo "$x"', "f() { ls; }", "if true; then ls; fi"])
      assert.equal((await ask("bash", [line(text)])).next, "", text);
    const { next } = await ask("bash", [line("echo \\' ; echo '")]);
    assert.notEqual(next, "", "a quote that is open after one that is escaped");
  });

  void it("is opaque where a pipe hands on what a terminal would act on", async () => {
    for (const text of ["\u0003# ; rm x\n", "\u0004# ; rm x\n", "echo a \\\r\nrm x\n", "ls\r\n"]) {
      const lines = new OpenLine(false).lines(piecesOf({ text }, false));
      const { patterns } = await ask("bash", lines);
      assert.equal(patterns[0]?.[0], HIDDEN_CODE, JSON.stringify(text));
    }
    const lines = new OpenLine(true).lines(piecesOf({ text: "\u0003ls\r\n" }, true));
    assert.deepEqual((await ask("bash", lines)).patterns, [["ls"]]);
  });

  void it("is opaque where a terminal may drop some of it", async () => {
    const typed = (text: string, isTerminal: boolean, before = "") => {
      const line = new OpenLine(isTerminal);
      line.take(piecesOf({ text: before }, isTerminal));
      return ask("sh", line.lines(piecesOf({ text }, isTerminal)));
    };
    const blanks = " ".repeat(995);
    assert.equal((await typed(`${blanks}reboots\n`, true)).patterns[0]?.[0], HIDDEN_CODE);
    assert.equal((await typed("reboots\n", true, blanks)).patterns[0]?.[0], HIDDEN_CODE);
    assert.equal((await typed("ls\n".repeat(400), true)).patterns[0]?.[0], HIDDEN_CODE);
    assert.deepEqual((await typed(`${blanks}reboots\n`, false)).patterns.length, 1);
    assert.deepEqual((await typed("reboots\n", true)).patterns, [["reboots"]]);
  });
});
