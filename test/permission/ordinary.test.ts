import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askForCommand } from "../../src/permission/ask.js";
import { judgeCommand } from "../../src/permission/judge.js";
import { bashRules, hostAsk, matches, type Asking } from "./host-rules.js";

const PROJECT = { cwd: "/project", directory: "/project", worktree: "/project" };

function allowed(...patterns: string[]) {
  return bashRules({
    "*": "ask",
    ...Object.fromEntries(patterns.map((pattern) => [pattern, "allow"])),
  });
}

void describe("an ordinary command needs no more than its ordinary rules", () => {
  const CASES: readonly (readonly [command: string, ...rules: string[]])[] = [
    ["echo hi", "echo *"],
    ["ls", "ls *"],
    ["npm run dev", "npm run *"],
    ["cd sub && npm test", "npm test *"],
    ["cat a | grep b", "cat *", "grep *"],
    ["npm run build; npm test && echo a || echo b", "npm *", "echo *"],
    ["FOO=1 npm test", "FOO=1 npm test *", "npm test *"],
    ["PORT=3000 node server.js > out.log 2>&1 &", "* node *", "node *"],
    ['git commit -m "fix: it\'s done\n\n- all of it"', "git commit *"],
    ["git log --format='%h %s' HEAD~3..HEAD^", "git log *"],
    ["curl 'http://localhost:1/x?a=b&c=d'", "curl *"],
    ["awk '{print $1}' f | sort | uniq -c", "awk *", "sort *", "uniq *"],
    ["for i in {1..5}; do echo $i; done", "echo *"],
    ["if [ -f a ] && [[ $b == c* ]]; then echo ok; fi", "echo *"],
    ['case "$1" in start) echo a;; *) echo b;; esac', "echo *"],
    ["set -euo pipefail\nnpm ci\n# the tests\nnpm test", "set *", "npm *"],
    ["python3 - <<'EOF'\nprint(\"rm -rf `x` $(y)\")\nEOF", "python3 *"],
    ["cat > f.txt <<'EOF'\nit's $(not run)\nEOF", "cat *"],
    ["cat <<EOF > f.txt\nhello $USER's $(date)\nEOF", "cat *", "date *"],
    ["echo é \"日本 語\" '🎉' | cat", "echo *", "cat *"],
    ["bash -lc 'npm run dev && echo done'", "bash *", "npm run *", "echo *"],
    ["bash scripts/x.sh a", "bash *"],
    ["./scripts/x.sh --flag", "./scripts/x.sh *"],
    ["timeout 5 npm test", "timeout *", "npm test *"],
    ["xargs -0 -n 1 kill -9", "xargs *", "kill *"],
    ["find . -name '*.ts' -exec grep -l foo {} +", "find *", "grep *"],
    ['find "$DIR" -newer "$F" -delete', "find *"],
    ["time npm test", "time *", "npm test *"],
    ["exec 3>log; echo ok >&3", "exec *", "echo *"],
    ["ssh host 'ls -la'", "ssh *", "ls *"],
    ["source venv/bin/activate && python x.py", "source *", "python *"],
    ["export FOO=bar && npm start", "npm start *"],
    ["npm test -- --grep 'a|b (c)' \\\n  --watch", "npm test *"],
    ["until curl -sf localhost:1; do sleep 1; done", "curl *", "sleep *"],
    ["jq '.a[] | select(.b == \"c\")' f.json", "jq *"],
    ["command -v node", "command *"],
    ["npm test & PID=$!; sleep 1; kill $PID; wait", "npm test *", "sleep *", "kill *", "wait *"],
    ['npm test & sleep 1; wait "$!"', "npm test *", "sleep *", "wait *"],
    ["echo 'a $(b) c'", "echo *"],
    ["npm test >&2 2>/dev/null </dev/null", "npm test *"],
    ["(cd sub && npm ci) && { npm test; }", "npm *"],
    ["docker run -v $PWD:/app --rm img:tag sh run.sh", "docker *"],
    ["hash node", "hash *"],
    ["exec npm start", "exec *", "npm start *"],
  ];
  for (const [command, ...rules] of CASES) {
    void it(JSON.stringify(command), async () => {
      const asked = await askForCommand({
        ...PROJECT,
        command,
        ask: hostAsk(allowed(...rules)),
      });
      assert.equal(asked.opaque, undefined);
      assert.deepEqual(asked.directories, []);
      // What "always" adds lets the same command through the next time.
      const always = [...asked.always];
      for (const pattern of asked.patterns.filter((it) => !it.includes(">") && !it.includes("<")))
        assert.ok(
          always.some((it) => matches(pattern, it)),
          pattern,
        );
    });
  }
});

void describe("the patterns are the host's", () => {
  const CASES: readonly (readonly [string, string[], string[]])[] = [
    ["npm run dev -- -p 1", ["npm run dev -- -p 1"], ["npm run dev *"]],
    ["git push origin main", ["git push origin main"], ["git push *"]],
    ["cd sub && ls -la | wc", ["ls -la", "wc"], ["ls *", "wc *"]],
    ["echo hi > out", ["echo hi > out", "echo hi"], ["echo *"]],
    ["A=1 npm test", ["A=1 npm test", "npm test"], ["npm test *", "A=1 npm test *"]],
    ["'*' x", ["'*' x", "* x"], []],
    ["cd sub", ["cd sub"], []],
    ["rm  '-rf'   \"a b\"", ["rm  '-rf'   \"a b\"", 'rm -rf "a b"'], ["rm *"]],
    ["/bin/rm x", ["/bin/rm x", "rm x"], ["/bin/rm *", "rm *"]],
  ];
  for (const [command, patterns, always] of CASES) {
    void it(command, async () => {
      const parsed = judgeCommand(command);
      assert.deepEqual(parsed.patterns, patterns);
      assert.deepEqual(parsed.always, always);
    });
  }
});

void describe("what is used now and then but is not plain says why, and how to write it", () => {
  const CASES: readonly (readonly [command: string, construct: RegExp])[] = [
    [
      'while read -r line; do echo "$line"; done < f',
      /read in this form; pass the file to a program/,
    ],
    ["echo hi\r\nnpm test\r\n", /the character "\\r"; use printable text/],
    ["env PORT=$P npm start", /env with words that are not literal/],
    ["find {src,test} -mtime +$N -name *.ts -newer $F", /find with words that are not literal/],
    ["npm test & PID=$!; wait $PID", /wait in this form; wait without arguments/],
    ["chroot / ls", /chroot; run the command itself/],
    ["printf '%d' 1", /printf in this form; begin with a literal format/],
    ["grep $'\\t' f", /the quoting "\$'"; use '…', or printf/],
    ["nice -n $N timeout -k $K 5 npm test", /nice with words that are not literal/],
    ['xargs -P "$(nproc)" -n $N gzip', /xargs with words that are not literal/],
    ['x=$(cat f) && echo "${x:-none}" ${x/a/b}', /the expansion "\$\{x\/a\/b\}"; use \$NAME/],
    ["echo $((1 + 2))", /arithmetic "\$\(\("; write the number/],
    ["((i++)) || true", /arithmetic/],
    ["[[ $a =~ ^(b|c)$ ]] && echo ok", /a test of another form/],
    ["diff <(ls a) <(ls b)", /a redirect of another form/],
    ["trap - EXIT; wait", /trap in this form; end what you started/],
    ['options=(--watch); npm test "${options[@]}"', /a parenthesis in a command/],
    ["compgen -c no", /compgen/],
    ["su - postgres -c 'psql -l'", /su; run the command itself/],
    ["script -qefc 'npm test' log", /script; run the command itself/],
  ];
  for (const [command, construct] of CASES) {
    void it(JSON.stringify(command), async () => {
      const log: Asking[] = [];
      const asked = await askForCommand({
        ...PROJECT,
        command,
        ask: hostAsk(bashRules({ "*": "allow" }), log),
      });
      assert.match(asked.opaque ?? "", construct);
      assert.deepEqual(log.at(-1)?.metadata["hidden"], [asked.opaque]);
      assert.deepEqual(asked.always, []);
      const strict = {
        ...PROJECT,
        command,
        ask: hostAsk(allowed("echo *")),
        deniesCommands: async () => true,
      };
      await assert.rejects(askForCommand(strict), construct);
    });
  }
});
