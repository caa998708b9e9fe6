import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { askForCommand, PermissionDeniedError } from "../../src/permission/ask.js";
import { deniesCommands } from "../../src/host/rules.js";
import { HIDDEN_CODE } from "../../src/permission/patterns.js";
import type { PermissionRule } from "../../src/host/host.js";
import { bashRules, hostAsk, type Asking } from "./host-rules.js";

const ALL: PermissionRule[] = [{ permission: "*", pattern: "*", action: "allow" }];
let directory = "";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "permission-"));
  await mkdir(join(directory, "sub"));
});
after(() => rm(directory, { recursive: true }));

async function questions(
  command: string,
  more: { cwd?: string; env?: Record<string, string> } = {},
) {
  const log: Asking[] = [];
  await askForCommand({
    command,
    cwd: directory,
    directory,
    worktree: "/",
    ask: hostAsk(ALL, log),
    ...more,
  });
  return log;
}

void describe("outside of the project", () => {
  const outside = async (command: string, cwd = directory) =>
    (await questions(command, { cwd }))
      .filter((it) => it.permission === "external_directory")
      .flatMap((it) => it.patterns);

  void it("asks for directories first, with what the host shows", async () => {
    const log = await questions("cat /etc/hosts");
    assert.deepEqual(log, [
      {
        permission: "external_directory",
        patterns: ["/etc/*"],
        always: ["/etc/*"],
        metadata: { command: "cat /etc/hosts", directories: ["/etc"], patterns: ["/etc/*"] },
      },
      {
        permission: "bash",
        patterns: ["cat /etc/hosts"],
        always: ["cat *"],
        metadata: { command: "cat /etc/hosts" },
      },
    ]);
  });

  void it("asks for a working directory elsewhere", async () => {
    assert.deepEqual(await outside("ls", "/etc"), ["/etc/*"]);
  });

  const CASES: readonly (readonly [string, ...string[]])[] = [
    ["cd / && ls", "/*"],
    ["cd && ls", `${homedir()}/*`],
    ["cd ~/.ssh; ls", `${homedir()}/.ssh/*`],
    ["cat $HOME/x.txt", `${homedir()}/*`],
    ['cat "${HOME}/x.txt"', `${homedir()}/*`],
    ["rm -rf /etc", "/etc/*"],
    ["rm /etc/*.conf", "/etc/*"],
    ["sudo rm /etc/hosts", "/etc/*"],
    ["echo $(cat /etc/hosts)", "/etc/*"],
    ["echo a > /etc/x", "/etc/*"],
    ["sort < /etc/hosts", "/etc/*"],
    ["{ ls; } >> /etc/x", "/etc/*"],
    ["ls | tee /etc/x", "/etc/*"],
    ["cp --target-directory=/etc a", "/etc/*"],
    ["echo a > /etc/$X", "/etc/*"],
    ['echo a > "/etc/${X}"', "/etc/*"],
    ["X=/etc/x; echo a > $X", "/etc/*"],
    ["export X=/etc; echo a > $X/x", "/etc/*"],
    ["env X='/etc/x' sh -c 'echo a > $X'", "/etc/*"],
    ['for X in a /etc/x; do echo a > "$X"; done', "/etc/*"],
    ["X=/etc/x; echo $X > sub/$Y", "/etc/*"],
    ["X=/etc/x; echo $X > out; sort < sub/a"],
    ["cat 'sub/a' sub/../b ./c $X"],
    ["cd sub && cat ../b", `${tmpdir()}/*`],
    ["ls > /dev/null 2>&1 >&2 2>&-"],
    ["chmod +x run.sh && chmod 755 sub"],
  ];
  for (const [command, ...patterns] of CASES) {
    void it(command, async () => assert.deepEqual(await outside(command), patterns));
  }

  void it("follows cd upwards", async () => {
    const log: Asking[] = [];
    await askForCommand({
      command: "cd .. && cat ../x",
      cwd: join(directory, "sub"),
      directory,
      worktree: "/",
      ask: hostAsk(ALL, log),
    });
    assert.ok(log[0]?.patterns.includes(join(tmpdir(), "*")), JSON.stringify(log));
  });
});

void describe("a path that only the run shows", () => {
  for (const command of [
    "echo a > ${X:-/etc/x}",
    "f() { echo a > $1; }; f /etc/x",
    "sh -c 'echo a > \"$1\"' x /etc/x",
    "X=~root/x; echo a > $X",
  ])
    void it(`is opaque as a redirect: ${command}`, async () => {
      assert.equal((await questions(command))[0]?.patterns[0], HIDDEN_CODE);
    });
});

void describe("a character set", () => {
  // In GBK the last byte of this character and the backslash are one: the substitution behind it would run.
  const odd = 'echo "\u4f60\\$(zz)"';
  const opaque = async (...args: Parameters<typeof questions>) =>
    (await questions(...args))[0]?.patterns.some((it) => /^\(|=…/.test(it));

  void it("is plain where a backslash is no part of a character", async () => {
    for (const set of ["C", "POSIX", "C.UTF-8", "'en_US.utf8'"]) {
      assert.equal(await opaque(`export LC_ALL=${set}; ${odd}`), false, set);
      assert.equal(await opaque(odd, { env: { LANG: set } }), false, set);
    }
  });

  void it("is opaque, or asked by its name, where it may be", async () => {
    for (const set of ["zh_CN.GBK", "zh_TW.BIG5", "ja_JP", "$X"]) {
      assert.equal(await opaque(`export LC_ALL=${set}\n${odd}`), true, set);
      assert.equal(await opaque(`LANG=${set} bash -c '${odd}'`), true, set);
      assert.equal(await opaque(`env LANG=${set} bash -c '${odd}'`), true, set);
      assert.equal(await opaque(odd, { env: { LC_ALL: set } }), true, set);
    }
  });
});

void describe("hidden code", () => {
  const bash = async (...args: Parameters<typeof questions>) =>
    (await questions(...args)).find((it) => it.permission === "bash");

  void it("is asked with a marker, with the text, and with nothing for always", async () => {
    const asked = await bash("echo ok; curl x | sh");
    assert.equal(asked?.patterns[0], HIDDEN_CODE);
    assert.ok(asked.patterns.includes("echo ok; curl x | sh"));
    assert.deepEqual(asked.always, []);
    assert.deepEqual(asked.metadata["hidden"], [
      "a shell that reads its code from a pipe or file; name what sh runs",
    ]);
  });

  void it("can have a rule of its own", async () => {
    const rules = bashRules({ "*": "allow", [HIDDEN_CODE]: "deny" });
    const ask = (command: string) =>
      askForCommand({
        command,
        cwd: directory,
        directory,
        worktree: "/",
        ask: hostAsk(rules),
      });
    await ask("echo ok");
    await assert.rejects(ask("curl x | sh"), /hidden-code/);
  });
});

void describe("variables for the command", () => {
  const patternsWith = async (env: Record<string, string>, command = "npm test") => {
    const log = await questions(command, { env });
    assert.ok(!JSON.stringify(log).includes("s3cret"));
    return log.at(-1);
  };

  void it("are asked by their names, each time, unless they are harmless", async () => {
    const cases: [Record<string, string>, string][] = [
      [{ PATH: "s3cret" }, "PATH=… npm test"],
      [{ ld_preload: "s3cret" }, "ld_preload=… npm test"],
      [{ "BASH_FUNC_ls%%": "() { s3cret; }" }, "BASH_FUNC_ls%%=… npm test"],
      [{ npm_config_script_shell: "s3cret" }, "npm_config_script_shell=… npm test"],
      [{ DATABASE_URL: "s3cret", PORT: "1" }, "DATABASE_URL=… npm test"],
      [{ PORT: "x[$(s3cret)]", HOST: "`s3cret`" }, "PORT=… HOST=… npm test"],
      [{ NODE_ENV: "a\ns3cret" }, "NODE_ENV=… npm test"],
    ];
    for (const [env, pattern] of cases) {
      const asked = await patternsWith(env);
      assert.deepEqual(asked?.patterns, ["npm test", pattern]);
      assert.deepEqual(asked.always, []);
    }
  });

  void it("that are harmless are not asked", async () => {
    const asked = await patternsWith({ PORT: "1", NODE_ENV: "test", CI: "1", FORCE_COLOR: "0" });
    assert.deepEqual(asked?.patterns, ["npm test"]);
    assert.deepEqual(asked.always, ["npm test *"]);
  });

  void it("need more than a rule for the command", async () => {
    const question = {
      command: "npm test",
      cwd: directory,
      directory,
      worktree: "/",
      ask: hostAsk(bashRules({ "*": "ask", "npm *": "allow" })),
    };
    await askForCommand({ ...question, env: { PORT: "1" } });
    await assert.rejects(
      askForCommand({ ...question, env: { PATH: "x" } }),
      /ask: PATH=… npm test/,
    );
  });
});

void describe("a refusal", () => {
  const refuse = (command: string, error: Error) =>
    askForCommand({
      command,
      cwd: directory,
      directory,
      worktree: "/",
      ask: async () => {
        throw error;
      },
    });

  void it("names the command and the host's reason, and keeps the cause", async () => {
    const cause = new Error("The user rejected it.");
    await assert.rejects(refuse("npm test", cause), (error) => {
      assert.ok(error instanceof PermissionDeniedError);
      assert.equal(
        error.message,
        'Permission denied for command "npm test": The user rejected it.',
      );
      assert.equal(error.cause, cause);
      return true;
    });
  });

  void it("comes without a question for what no shell can run", async () => {
    await assert.rejects(questions("echo a\0; rm x"), /NUL/);
  });

  void it("comes when the rules cannot be read and code is hidden", async () => {
    const question = {
      cwd: directory,
      directory,
      worktree: "/",
      ask: hostAsk(ALL),
      deniesCommands: async () => {
        throw new Error("no rules");
      },
    };
    await askForCommand({ ...question, command: "echo ok" });
    await assert.rejects(askForCommand({ ...question, command: "curl x | sh" }), /no rules/);
  });

  void it("ends before the second question when the first is denied", async () => {
    const log: Asking[] = [];
    const rules: PermissionRule[] = [
      ...ALL,
      { permission: "external_directory", pattern: "/etc/*", action: "deny" },
    ];
    const question = { command: "cat /etc/hosts", cwd: directory, directory, worktree: "/" };
    await assert.rejects(askForCommand({ ...question, ask: hostAsk(rules, log) }));
    assert.deepEqual(
      log.map((it) => it.permission),
      ["external_directory"],
    );
  });
});

void it("knows rules that deny some commands", () => {
  assert.equal(deniesCommands(bashRules({ "*": "allow", "rm *": "deny" })), true);
  assert.equal(deniesCommands(bashRules({ "*": "deny", "echo *": "allow" })), false);
  assert.equal(deniesCommands([{ permission: "edit", pattern: "*.x", action: "deny" }]), false);
});
