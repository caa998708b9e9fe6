/** `bash` in the place of the host's own: the same commands through both, compared field by field. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { describe } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import { BUILT_PLUGIN, type PluginEntry } from "../../fixtures/host/index.js";
import { text, toolCall } from "../../fixtures/model/index.js";
import { shareServer, useProject, type Bed } from "./use-host.js";

shareServer();

const HOOKS = fileURLToPath(new URL("../../fixtures/plugins/hooks.js", import.meta.url));

interface Call {
  command: string;
  timeout?: number;
  workdir?: string;
  description?: string;
}

/** What the host stores of a call, and its user and model see. */
interface Answer {
  status: string;
  title?: string | undefined;
  output?: string | undefined;
  error?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  input: unknown;
}

const ENVIRONMENT = "env | cut -d= -f1 | grep -v -e ^OPENCODE_BACKGROUND_ -e ^_$ | sort";

const SAME: readonly Call[] = [
  { command: "echo out; sleep 0.2; echo err >&2" },
  { command: "true" },
  { command: "exit 3" },
  { command: "echo before; false" },
  { command: "no-such-program" },
  { command: "if" },
  { command: "pwd", workdir: ".." },
  { command: "pwd", workdir: "folder with spaces" },
  { command: "pwd; ls" },
  { command: "echo described", description: "What models write besides" },
  { command: 'cat; read line; echo "read $? [$line]"' },
  { command: "test -t 0 || echo no terminal; test -t 1 || echo nor there" },
  { command: "ps -o pgid= -p $$ | grep -qw $$ && echo leads its group" },
  { command: "ps -o sid= -p $$ | grep -qw $$ && echo leads its session" },
  { command: "echo $0 $- $SHLVL; shopt login_shell" },
  { command: ENVIRONMENT },
  { command: 'echo $OPENCODE $AGENT; test -n "$OPENCODE_PID" && echo pid' },
  { command: "printf '\\033[31mred\\033[0m\\n\\tindented \\r\\n'" },
  { command: "printf 'no newline'" },
  { command: "printf '\\n\\n  spaces around \\n\\n'" },
  { command: "printf '\\xef\\xbb\\xbfmarked\\n'" },
  { command: "printf '\\xff\\xfe\\x00\\x01 binary \\xe2\\x82'" },
  { command: "printf '€ 😀 \\u202e\\n'; printf '\\xe2'; sleep 0.2; printf '\\x82\\xac\\n'" },
  { command: "echo one\necho two" },
  { command: "cat <<'END'\n$HOME\nEND" },
  { command: "a=(1 2 3); [[ ${#a[@]} == 3 ]] && echo arrays" },
  { command: "seq 1 2000 | head -1999" },
  { command: "head -c 51000 /dev/zero | tr '\\0' x" },
  { command: "trap 'echo caught; exit 7' TERM; kill -TERM $$" },
  { command: "{ sh -c 'kill -9 $$'; } 2>/dev/null; echo $?" },
  { command: "echo quick & wait; echo done" },
  { command: "sleep 0.3 && echo slept", timeout: 20_000 },
  { command: "echo x", timeout: 120_000 },
  { command: "yes | head -3; false | true; echo ${PIPESTATUS[0]}" },
];

/** In these the two differ, as they should: by what each answers. */
const DIFFERENT: readonly (Call & { theirs: RegExp; ours: RegExp; exit: number | null })[] = [
  {
    command: "echo begun; kill -9 $$",
    timeout: 2_000,
    theirs: /^begun\n[^]*terminated command after exceeding timeout 2000 ms/u,
    ours: /^begun\n\n\n<shell_metadata>\nThe shell was ended by SIGKILL\.\n<\/shell_metadata>$/u,
    exit: 137,
  },
  {
    command: "sleep 3 & echo started",
    theirs: /^started\n$/u,
    ours: /^started\n[^]*The command has ended\. What it left running \(sleep 3\) goes on in the background as proc_/u,
    exit: 0,
  },
  {
    command: "echo begun; read line < <(sleep 3)",
    timeout: 1_000,
    theirs: /^begun\n[^]*terminated command after exceeding timeout 1000 ms/u,
    ours: /^proc_\w{10} still runs[^]*begun\n[^]*THE COMMAND STILL RUNS[^]*<\/shell_metadata>$/u,
    exit: null,
  },
  {
    command: "sleep 20",
    timeout: 1,
    theirs: /^\(no output\)[^]*exceeding timeout 1 ms[^]*in milliseconds\.\n<\/shell_metadata>$/u,
    ours: /^\(no output\)[^]*exceeding timeout 1 ms[^]*createBackgroundProcess \{"command":"sleep 20"\}\.\n/u,
    exit: null,
  },
];

/** Cut by both: the file, and what of the end is shown. */
const CUT: readonly Call[] = [
  { command: "seq 1 2001" },
  { command: "seq 1 50000" },
  { command: "head -c 200000 /dev/zero | tr '\\0' y" },
  { command: "seq 1 3000; exit 4" },
  { command: "yes 'a line of some length, with € in it' | head -20000" },
];

/** Calls of one turn: the host runs them side by side. */
const AT_ONCE = 9;

async function callAll(bed: Bed, calls: readonly Call[]): Promise<Answer[]> {
  const { host, model } = bed;
  const session = await host.createSession({ title: "compare" });
  const idOf = (call: Call) => `call_${session.id}_${calls.indexOf(call)}`;
  for (let from = 0; from < calls.length; from += AT_ONCE) {
    const turn = calls.slice(from, from + AT_ONCE);
    const steps = turn.map((call) => toolCall("bash", call, idOf(call)));
    model.scriptSession(session.id, [steps, text("seen")]);
    await host.run(session.id, `calls from ${from}`);
  }
  const parts = (await host.messages(session.id)).flatMap((message) => message.parts);
  return calls.map((call) => {
    const part = parts.find((each) => each.type === "tool" && each.callID === idOf(call));
    assert.ok(part?.type === "tool", `no part for ${call.command}`);
    const { state } = part;
    return {
      status: state.status,
      input: state.input,
      title: state.status === "completed" ? state.title : undefined,
      output: state.status === "completed" ? state.output : undefined,
      error: state.status === "error" ? state.error : undefined,
      metadata: state.status === "completed" ? state.metadata : undefined,
    };
  });
}

/** Folders and the names of files are each host's own. */
function plain(bed: Bed, answer: Answer): unknown {
  const { project } = bed.host;
  const json = JSON.stringify(answer)
    .replaceAll(project, "PROJECT")
    .replaceAll(project.slice(0, project.lastIndexOf("/")), "ABOVE")
    .replaceAll(/[^"\s]*\/tool-output\/tool_\w{26}/gu, "FILE");
  const parsed: unknown = JSON.parse(json);
  return parsed;
}

describe("bash in the host's place", () => {
  const config = { permission: { "*": "allow", external_directory: "allow" } };
  const theirs = useProject({ pluginOptions: { bashHint: false }, config });
  const ours = useProject({ pluginOptions: { bash: "continue" }, config });

  ours.test(`answers as the host's own, ${SAME.length} times`, async () => {
    const folder: Call = { command: "mkdir -p 'folder with spaces'; touch 'a file'" };
    const [expected, got] = await Promise.all(
      [theirs, ours].map(async (bed) => {
        await callAll(bed, [folder]);
        return callAll(bed, SAME);
      }),
    );
    const differences = SAME.flatMap(({ command }, index) => {
      const [host, own] = [expected?.[index], got?.[index]];
      assert.ok(host && own);
      const [theirsPlain, oursPlain] = [plain(theirs, host), plain(ours, own)];
      if (isDeepStrictEqual(theirsPlain, oursPlain)) return [];
      return [JSON.stringify({ command, host: theirsPlain, own: oursPlain }, undefined, 1)];
    });
    console.log(differences.join("\n"));
    assert.deepEqual(differences, []);
  });

  ours.test(`differs where it should, ${DIFFERENT.length} times`, async () => {
    const calls = DIFFERENT.map(({ command, timeout }) => ({
      command,
      ...(timeout && { timeout }),
    }));
    const [expected, got] = await Promise.all([callAll(theirs, calls), callAll(ours, calls)]);
    for (const [index, { command, exit, theirs: hosts, ours: own }] of DIFFERENT.entries()) {
      assert.match(expected[index]?.output ?? "", hosts, command);
      assert.match(got[index]?.output ?? "", own, command);
      assert.equal(got[index]?.metadata?.["exit"], exit, command);
      assert.equal(got[index]?.title, expected[index]?.title, command);
    }
  });

  ours.test(`cuts a long output as the host's own, ${CUT.length} times`, async () => {
    const [expected, got] = await Promise.all([callAll(theirs, CUT), callAll(ours, CUT)]);
    for (const [index, call] of CUT.entries()) {
      const [host, own] = [expected[index], got[index]];
      assert.ok(host && own, call.command);
      const printed = spawnSync("/bin/bash", ["-c", call.command], {
        encoding: "utf8",
        maxBuffer: 2 ** 24,
      }).stdout;
      assert.ok(readFileSync(fileOf(own), "utf8") === printed, `${call.command}: our file`);
      assert.deepEqual(headOf(plain(ours, own)), headOf(plain(theirs, host)), call.command);
      assert.equal(own.metadata?.["truncated"], false, "the wrapper's");
      const tail = tailOf(own);
      assert.ok(printed.endsWith(tail), `${call.command}: our end is the output's`);
      // On a busy machine the host may stop reading before the end (seen: 184,320 of 288,894 bytes); of that it has
      // the file and the end.
      const file = readFileSync(fileOf(host), "utf8");
      assert.ok(printed.startsWith(file), `${call.command}: the host's file`);
      const theirTail = tailOf(host);
      assert.ok(file.endsWith(theirTail), `${call.command}: the host's end`);
      // Of pieces that the host has read it shows whole ones; ours shows as much as there may be.
      const isEnough = theirTail.length - tail.length < 600;
      assert.ok(isEnough, `${call.command}: ${tail.length} of ${theirTail.length}`);
    }
  });
});

describe("bash in the host's place, `shell` of opencode.json and hooks of another plugin", () => {
  const config = { shell: "/bin/sh" };
  const beside = (options: Readonly<Record<string, unknown>>): PluginEntry[] => [
    [BUILT_PLUGIN, options],
    HOOKS,
  ];
  const theirs = useProject({ plugins: beside({ bashHint: false }), config });
  const ours = useProject({ plugins: beside({ bash: "continue" }), config });

  ours.test("is run by that shell, between those hooks, as the host's own", async () => {
    const shell = { command: "readlink /proc/$$/exe; echo $0" };
    const [expected, got] = await Promise.all([callAll(theirs, [shell]), callAll(ours, [shell])]);
    const sh = realpathSync("/bin/sh");
    assert.equal(expected[0]?.output, `${sh}\n/bin/sh\nfrom before\nfrom after\n`);
    assert.deepEqual(got, expected);
  });

  ours.test("has no variables of their shell.env, which the host's own has", async () => {
    const asks = { command: "echo $OF_ANOTHER_PLUGIN" };
    const [expected, got] = await Promise.all([callAll(theirs, [asks]), callAll(ours, [asks])]);
    assert.equal(expected[0]?.output, "set\nfrom before\nfrom after\n");
    assert.equal(got[0]?.output, "\nfrom before\nfrom after\n");
  });
});

function fileOf({ output = "" }: Answer): string {
  const [, file = ""] = /^Full output saved to: (\S+)$/mu.exec(output) ?? [];
  return file;
}

/** What is shown of the output, behind the lines on the file. */
function tailOf({ output = "" }: Answer): string {
  return output.split("\n").slice(4).join("\n");
}

/** Without what differs: `metadata.truncated` is the wrapper's, and a few lines of the tail. */
function headOf(answer: unknown): unknown {
  assert.ok(typeof answer === "object" && answer !== null);
  const { output, metadata, ...rest }: { output?: unknown; metadata?: unknown } = answer;
  const { truncated: _, ...known }: { truncated?: unknown } = Object(metadata);
  return { ...rest, ...known, head: String(output).split("\n").slice(0, 4) };
}
