import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PermissionRule } from "../../src/host/host.js";
import { askForCommand } from "../../src/permission/ask.js";
import { deniesCommands } from "../../src/host/rules.js";
import { IN_SH, IN_ZSH, READABLE } from "./attacks.js";
import { UNREADABLE } from "./hidden-attacks.js";
import { bashRules, hostAsk } from "./host-rules.js";

const OUTSIDE_ALLOWED: PermissionRule = {
  permission: "external_directory",
  pattern: "*",
  action: "allow",
};
// Everything but what would run `rm` is allowed, wrappers and readers included.
const SOME_ALLOWED = [
  OUTSIDE_ALLOWED,
  ...bashRules({ "*": "ask", "rm *": "deny" }),
  ...bashRules(
    Object.fromEntries(
      (
        "echo ls cat set read printf test tee true export sudo env /usr/bin/env nohup nice timeout setsid stdbuf " +
        "command builtin exec noglob repeat busybox chroot flock strace xargs parallel find eval sh bash " +
        "/bin/bash zsh dash fish source . trap alias hash watch ssh su script unshare at mapfile time coproc " +
        "base64 curl declare base64 shopt compgen complete runuser typeset : ./x.txt"
      )
        .split(" ")
        .map((name) => [`${name} *`, "allow"]),
    ),
  ),
];
const ECHO_ALLOWED = [
  OUTSIDE_ALLOWED,
  ...bashRules({ "*": "ask", "echo *": "allow", "ls *": "allow", "rm *": "deny" }),
];
const ALL_BUT_RM = [OUTSIDE_ALLOWED, ...bashRules({ "*": "allow", "rm *": "deny" })];

async function ask(command: string, rules: PermissionRule[], seesRules: boolean, shell = "bash") {
  await askForCommand({
    command,
    cwd: "/project",
    directory: "/project",
    worktree: "/project",
    shell,
    ask: hostAsk(rules),
    ...(seesRules && { deniesCommands: async () => deniesCommands(rules) }),
  });
}

void describe("a denied command does not pass", () => {
  for (const command of [...READABLE, ...UNREADABLE]) {
    void it(`where only some commands are allowed: ${JSON.stringify(command)}`, async () => {
      for (const shell of ["bash", "sh", "zsh"]) {
        await assert.rejects(ask(command, ECHO_ALLOWED, false, shell), /Permission denied/);
        await assert.rejects(ask(command, SOME_ALLOWED, false, shell), /Permission denied/);
      }
    });
  }
  for (const command of READABLE) {
    void it(`where all others are allowed: ${JSON.stringify(command)}`, async () => {
      await assert.rejects(ask(command, ALL_BUT_RM, false), /Permission denied/);
      await assert.rejects(ask(command, ALL_BUT_RM, true), /Permission denied/);
    });
  }
  for (const command of UNREADABLE) {
    void it(`unread, where all others are allowed: ${JSON.stringify(command)}`, async () => {
      await assert.rejects(ask(command, ALL_BUT_RM, true), /Permission denied.*refused/);
    });
  }
});

void describe("in a shell without Bash's extensions", () => {
  for (const command of IN_SH) {
    void it(`does not pass: ${command}`, async () => {
      await assert.rejects(ask(command, SOME_ALLOWED, false, "/bin/sh"), /Permission denied/);
      await assert.rejects(ask(`sh -c '${command}'`, SOME_ALLOWED, false), /Permission denied/);
    });
  }
});

void describe("in zsh, which keeps in variables what the commands are", () => {
  for (const command of IN_ZSH) {
    void it(`does not pass: ${JSON.stringify(command)}`, async () => {
      await assert.rejects(ask(command, SOME_ALLOWED, false, "/bin/zsh"), /Permission denied/);
      await assert.rejects(ask(command, ALL_BUT_RM, true, "/bin/zsh"), /Permission denied/);
    });
  }
});

void it("refuses what another kind of shell runs", async () => {
  await assert.rejects(ask("echo (rm -rf x)", ALL_BUT_RM, false, "/usr/bin/fish"), /rm -rf x/);
  await assert.rejects(ask("echo ok", SOME_ALLOWED, false, "/usr/bin/fish"), /hidden-code/);
});
