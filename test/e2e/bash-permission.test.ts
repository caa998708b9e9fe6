/** The questions of `bash` in the host's place, beside those of the host's own: word for word, and in plan mode. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askForCommand } from "../../src/permission/ask.js";
import { agents, isPlain } from "../../fixtures/commands/corpora.js";
import { text, toolCall } from "../../fixtures/model/index.js";
import { bashRules, hostAsk, matches, type Asking } from "../permission/host-rules.js";
import { casesOf } from "../rounds.js";
import { questionsOf, type Question } from "./questions.js";
import { shareServer, useProject, type Bed } from "./use-host.js";

shareServer();

const COMMANDS = 200;
const AT_ONCE = 20;

/**
 * By command: the patterns, and what "always" covers, that ours asks besides. All others are asked as by the host. None
 * is another question, and none can go: without it a rule for just that command would not hold (below).
 */
const BESIDES: Readonly<Record<string, readonly [patterns: string[], always: string[]]>> = {
  // Without needless quotes. (5)
  "sed -n '1,120p' src/app.ts": [["sed -n 1,120p src/app.ts"], []],
  "sed -n '200,260p' src/server/routes.ts": [["sed -n 200,260p src/server/routes.ts"], []],
  "grep -rn 'createServer' src": [["grep -rn createServer src"], []],
  "grep -rn \"TODO\" --include='*.ts' . | head": [["grep -rn TODO --include='*.ts' ."], []],
  "rg 'useEffect' src": [["rg useEffect src"], []],
  // Without redirects and here-documents. (11)
  "git commit -m \"$(cat <<'EOF'\nfix: the parser's edge case\n\nIt's tested now.\nEOF\n)\"": [
    ["cat"],
    [],
  ],
  "git add . && git commit -m \"$(cat <<'EOF'\nAdd feature\nEOF\n)\" && git push": [["cat"], []],
  'gh pr create --title "Add login" --body "$(cat <<\'EOF\'\n## Summary\n- adds login\n\n## Test plan\n- [ ] run tests\nEOF\n)"':
    [["cat"], []],
  "npm run build 2>&1 | tail -20": [["npm run build"], []],
  "npm run dev > /dev/null 2>&1 &": [["npm run dev"], []],
  "npm test 2>&1 | tail -40": [["npm test"], []],
  "npx tsc --noEmit 2>&1 | head -30": [["npx tsc --noEmit"], []],
  "python -m pytest -k 'login and not slow' 2>&1 | tail -30": [
    ["python -m pytest -k 'login and not slow'"],
    [],
  ],
  "pip freeze > requirements.txt": [["pip freeze"], []],
  "python3 - <<'EOF'\nimport json\nprint(json.dumps({\"a\": 1}))\nEOF": [["python3 -"], []],
  "cargo check 2>&1 | head -50": [["cargo check"], []],
  // Without the variables before it; an "always" with them. (12)
  "PORT=3000 node server.js": [["node server.js"], ["PORT=3000 node *"]],
  "PORT=4000 npm run dev": [["npm run dev"], ["PORT=4000 npm run dev *"]],
  "NODE_ENV=production npm run build": [["npm run build"], ["NODE_ENV=production npm run build *"]],
  "NODE_ENV=test npx jest src": [["npx jest src"], ["NODE_ENV=test npx *"]],
  "CI=1 npm test": [["npm test"], ["CI=1 npm test *"]],
  "CI=true npx vitest run": [["npx vitest run"], ["CI=true npx *"]],
  "DEBUG=app:* node server.js": [["node server.js"], []],
  "FORCE_COLOR=0 npm test 2>&1 | tee test.log": [["npm test"], ["FORCE_COLOR=0 npm test *"]],
  "RUST_BACKTRACE=1 cargo test": [["cargo test"], ["RUST_BACKTRACE=1 cargo test *"]],
  "RUST_LOG=debug cargo run": [["cargo run"], ["RUST_LOG=debug cargo run *"]],
  "GOOS=linux GOARCH=amd64 go build -o bin/app ./cmd/app": [
    ["go build -o bin/app ./cmd/app"],
    ["GOOS=linux GOARCH=amd64 go build *"],
  ],
  "CGO_ENABLED=0 go build ./...": [["go build ./..."], ["CGO_ENABLED=0 go build *"]],
  // The command behind a wrapper. (3)
  "find src -name '*.ts' -exec grep -l 'TODO' {} +": [
    ["find src -name '*.ts' -exec grep -l TODO {} +", "grep -l TODO"],
    ["grep *"],
  ],
  "find src -name '*.ts' -exec wc -l {} \\;": [["wc -l"], ["wc *"]],
  "rg -l 'deprecated' | xargs sed -n '1,5p'": [
    ["rg -l deprecated", "xargs sed -n 1,5p", "sed -n 1,5p"],
    ["sed *"],
  ],
};

describe("what bash in the host's place asks besides the host's patterns", () => {
  for (const [command, [patterns, always]] of Object.entries(BESIDES)) {
    it(`a rule needs it: ${JSON.stringify(command)}`, async () => {
      const ask = async (rules: Record<string, "allow" | "deny">) => {
        const log: Asking[] = [];
        const project = { cwd: "/project", directory: "/project", worktree: "/project" };
        await askForCommand({ ...project, command, ask: hostAsk(bashRules(rules), log) });
        assert.equal(log.length, 1);
        return log.flatMap((it) => it.patterns);
      };
      const all = await ask({ "*": "allow" });
      const hosts = without(all, patterns);
      for (const pattern of patterns) {
        const denied = pattern.replaceAll("*", "?");
        assert.ok(!hosts.some((it) => matches(it, denied)), "the host's tool would run it");
        await assert.rejects(ask({ "*": "allow", [denied]: "deny" }), /Permission denied/);
      }
      for (const pattern of always)
        assert.ok(
          [...hosts, ...patterns].some((it) => matches(it, pattern)),
          "it is asked the next time, too",
        );
    });
  }
});

/** What redirects name outside of the project is asked by ours alone, before the command. */
const REDIRECTS: readonly (readonly [command: string, directories: readonly string[]])[] = [
  ["npm test > /var/log/test.log", ["/var/log/*"]],
  ["sort < /etc/hosts", ["/etc/*"]],
  ["make 2>> /opt/errors.txt", ["/opt/*"]],
  ["cat /etc/hosts > /var/log/copy", ["/etc/*", "/var/log/*"]],
  ["cp /etc/hosts /opt/copy > /dev/null", ["/etc/*", "/opt/*"]],
  ["npm test > out.log 2>&1", []],
];

async function asked(theirs: Bed, ours: Bed, commands: readonly string[]) {
  const found: { command: string; host: Question[]; own: Question[] }[] = [];
  for (let from = 0; from < commands.length; from += AT_ONCE) {
    const part = commands.slice(from, from + AT_ONCE);
    const [expected, got] = await Promise.all([
      questionsOf(theirs, "bash", part),
      questionsOf(ours, "bash", part),
    ]);
    for (const [index, command] of part.entries()) {
      const [host, own] = [expected[index], got[index]];
      assert.ok(host && own);
      found.push({ command, host, own });
    }
  }
  return found;
}

/** Without what stands in this list; each of it must be there. */
function without(all: readonly string[], besides: readonly string[]): string[] {
  for (const each of besides) assert.ok(all.includes(each), `${each} is not asked`);
  return all.filter((each) => !besides.includes(each));
}

/** What came of a call: a question, which is rejected, a refusal, or its answer. */
interface Outcome {
  question?: Question;
  error?: string;
  output?: string;
}

async function inPlan({ host, model }: Bed, command: string): Promise<Outcome> {
  const session = await host.createSession({ title: "plan" });
  const id = `call_${session.id}`;
  model.scriptSession(session.id, [toolCall("bash", { command }, id), text("seen")]);
  const userID = await host.prompt(session.id, "plan it", { agent: "plan" });
  const asks = host
    .waitFor("permission.asked", (it) => it.sessionID === session.id)
    .then(async ({ properties: { id: questionID, permission, patterns, always } }) => {
      await host.answerPermission(questionID, "reject");
      return { permission, patterns, always };
    });
  const ended = host.waitRunEnd(session.id, userID);
  const question = await Promise.race([asks, ended.then(() => undefined)]);
  // Of a session that asked nothing no question comes any more.
  asks.catch(() => undefined);
  await ended;
  const part = (await host.messages(session.id))
    .flatMap(({ parts }) => parts)
    .find((each) => each.type === "tool" && each.callID === id);
  assert.ok(part?.type === "tool", command);
  const { state } = part;
  return {
    ...(question && { question }),
    ...(state.status === "error" && { error: state.error }),
    ...(state.status === "completed" && { output: state.output }),
  };
}

describe("the questions of bash in the host's place", () => {
  const rules = {
    "*": "ask",
    "echo *": "allow",
    "ls *": "allow",
    "rm *": "deny",
    "git push *": "deny",
  };
  const config = {
    permission: { bash: "ask", external_directory: "ask" },
    agent: { plan: { permission: { bash: rules } } },
  };
  const theirs = useProject({ pluginOptions: { bashHint: false }, config });
  const ours = useProject({ pluginOptions: { bash: "continue" }, config });

  ours.test(
    `are the host's, word for word, ${casesOf(Array.from({ length: COMMANDS }), 4).length} times`,
    async () => {
      const commands = agents().filter(isPlain).slice(0, COMMANDS);
      assert.equal(commands.length, COMMANDS);
      for (const command of Object.keys(BESIDES)) assert.ok(commands.includes(command), command);
      const played = casesOf(commands, 4);
      for (const { command, host, own } of await asked(theirs, ours, played)) {
        const [patterns, always] = BESIDES[command] ?? [[], []];
        const known = own.map((it) =>
          it.permission === "bash"
            ? {
                ...it,
                patterns: without(it.patterns, patterns),
                always: without(it.always, always),
              }
            : it,
        );
        assert.deepEqual(known, host, command);
      }
    },
  );

  ours.test("are the host's, and what redirects name outside of the project", async () => {
    const commands = REDIRECTS.map(([command]) => command);
    for (const [index, { command, host, own }] of (await asked(theirs, ours, commands)).entries()) {
      const directories = own.flatMap(({ permission, patterns, always }) => {
        if (permission !== "external_directory") return [];
        assert.deepEqual(always, patterns, command);
        return patterns;
      });
      assert.deepEqual(directories, REDIRECTS[index]?.[1], command);
      const [last, hosts] = [own.at(-1), host.at(-1)];
      assert.equal(last?.permission, "bash");
      assert.deepEqual(last.always, hosts?.always, command);
      const known = last.patterns.filter((it) => hosts?.patterns.includes(it));
      assert.deepEqual(known, hosts?.patterns, command);
    }
  });

  for (const [command, what] of [
    ["echo fine && echo two", "output"],
    ["npm test", "question"],
    ["echo fine; npm install left-pad", "question"],
    ["npm test | head", "question"],
    ["touch file", "question"],
    ["rm file", "error"],
    ["echo fine && rm file", "error"],
    ["npm test; git push --force", "error"],
    ["echo $(rm file)", "error"],
  ] as const)
    ours.test(`in plan mode ${command}: the same ${what} as the host's`, async () => {
      const [expected, got] = await Promise.all([inPlan(theirs, command), inPlan(ours, command)]);
      assert.deepEqual(got, expected);
      assert.ok(expected[what], JSON.stringify(expected));
      assert.equal(expected.question !== undefined, what === "question");
    });
});
