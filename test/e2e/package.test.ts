/** The packed package, installed as a user installs it: alone, in Node, in Bun and in a real OpenCode. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { callTool, OPENCODE_BINARY, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { linkedFiles, unpublished } from "../../fixtures/package/addresses.js";
import { useHost } from "./use-host.js";

/** As npm counts megabytes. Nothing is minified, so that a crash names its line. */
const MOST_BYTES = 3_500_000;
const packed = z.array(z.object({ filename: z.string(), unpackedSize: z.number() }));

const optionalPeers = z.object({
  peerDependencies: z.record(z.string(), z.string()),
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean() })),
});

/** Each wrong line is one because the types are known: were they `any`, it would be right. */
const CONSUMER = `
  import plugin from "opencode-background-manager";
  import same from "opencode-background-manager/server";
  import { openBackground, type Job, type Options } from "opencode-background-manager/manager";
  import { createOpencodeClient } from "@opencode-ai/sdk";
  import type { PluginModule } from "@opencode-ai/plugin";

  export const both: PluginModule[] = [plugin, same];
  export async function use(job: Job, options: Options) {
    const most: number = options.maxRunning;
    // @ts-expect-error
    options.wake = "sometimes";
    // @ts-expect-error
    job.nothing;
    // @ts-expect-error
    plugin.nothing;
    const client = createOpencodeClient({ baseUrl: "http://127.0.0.1" });
    const { tasks, dispose } = openBackground({
      client,
      directory: "/",
      options: { maxRunning: most },
    });
    // @ts-expect-error
    openBackground({ client, directory: "/", options: { most } });
    // @ts-expect-error
    await tasks.launch({ prompt: 7 });
    await dispose();
  }
`;

/** The same where none of the optional packages is installed: a client is anything then, all else has its type. */
const ALONE = `
  import { openBackground, type Job, type Notice, type Options } from "opencode-background-manager/manager";

  declare const client: Parameters<typeof openBackground>[0]["client"];
  export async function use(job: Job, options: Options, notice: Notice) {
    const most: number = options.maxRunning;
    // @ts-expect-error
    options.wake = "sometimes";
    // @ts-expect-error
    options.nothing;
    // @ts-expect-error
    job.nothing;
    // @ts-expect-error
    job.status = "lost";
    // @ts-expect-error
    notice.nothing;
    const { tasks, processes, dispose } = openBackground({ client, directory: "/" });
    // @ts-expect-error
    openBackground({ client, directory: "/", options: { most } });
    // @ts-expect-error
    openBackground({ client });
    // @ts-expect-error
    await tasks.launch({ prompt: 7 });
    const { task } = await tasks.launch({ prompt: "p", description: "d", agent: "a", parentSessionID: "s" });
    // @ts-expect-error
    task.nothing;
    // @ts-expect-error
    processes.list()[0]?.nothing;
    if (job.kind === "process") job.exitCode?.toFixed();
    await dispose();
  }
`;

describe("the packed package", () => {
  const folder = mkdtempSync(join(tmpdir(), "packed-"));
  after(() => rmSync(folder, { recursive: true }));
  const answer = run("npm", ["pack", "--json", "--pack-destination", folder], PACKAGE_ROOT);
  const [tarball] = packed.parse(JSON.parse(answer.slice(answer.indexOf("["))));
  assert.ok(tarball);
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${tarball.filename}`], folder);
  const installed = join(folder, "node_modules", "opencode-background-manager");

  test("is small and needs nothing else", () => {
    assert.ok(tarball.unpackedSize <= MOST_BYTES, `${tarball.unpackedSize} bytes`);
    const readme = readFileSync(join(PACKAGE_ROOT, "README.md"), "utf8");
    const said = Number(/package's ([\d.]+) MB /u.exec(readme)?.[1]);
    assert.ok(Math.abs(said * 1e6 - tarball.unpackedSize) <= 1e5, `README: ${said} MB`);
    const listed = run("npm", ["ls", "--all", "--parseable"], folder).trim().split("\n");
    assert.equal(listed.length, 2, listed.join("\n"));
  });

  test("has a README whose links lead to the published files, and leaves that of the clone alone", () => {
    const page = readFileSync(join(installed, "README.md"), "utf8");
    assert.deepEqual(linkedFiles(page), []);
    assert.equal(unpublished(page), readFileSync(join(PACKAGE_ROOT, "README.md"), "utf8"));
  });

  test("has exports and types that resolve", () => {
    const file = join(folder, tarball.filename);
    const bin = join(PACKAGE_ROOT, "node_modules/.bin");
    run(join(bin, "publint"), ["--strict", file], folder);
    run(join(bin, "attw"), [file, "--profile", "esm-only"], folder);
  });

  for (const [module, resolution] of [
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ] as const) {
    const modules = join(PACKAGE_ROOT, "node_modules");
    const check = (consumer: string, packages: readonly string[], program: string): void => {
      // Symbolic links, for there is no network.
      for (const name of packages) {
        const link = join(consumer, "node_modules", name);
        mkdirSync(dirname(link), { recursive: true });
        symlinkSync(join(modules, name), link);
      }
      mkdirSync(join(consumer, "node_modules"), { recursive: true });
      symlinkSync(installed, join(consumer, "node_modules/opencode-background-manager"));
      writeFileSync(join(consumer, "package.json"), '{ "type": "module" }');
      writeFileSync(join(consumer, "consumer.ts"), program);
      const as = ["--module", module, "--moduleResolution", resolution, "--preserveSymlinks"];
      const strict = ["--strict", "--noEmit", "--skipLibCheck", "--target", "es2023"];
      run(join(modules, ".bin/tsc"), [...strict, ...as, "consumer.ts"], consumer);
    };

    test(`has types for a consumer with ${resolution}`, () => {
      const manifest = readFileSync(join(installed, "package.json"), "utf8");
      const { peerDependencies, peerDependenciesMeta } = optionalPeers.parse(JSON.parse(manifest));
      const packages = Object.keys(peerDependencies);
      for (const name of packages) assert.equal(peerDependenciesMeta[name]?.optional, true, name);
      check(join(folder, resolution), packages, CONSUMER);
    });

    test(`has types for a consumer with ${resolution} that has nothing else installed`, () => {
      check(join(folder, `${resolution}-alone`), [], ALONE);
    });
  }

  const program = join(folder, "smoke.mjs");
  writeFileSync(
    program,
    `import * as server from "opencode-background-manager";
     import * as same from "opencode-background-manager/server";
     import { openBackground } from "opencode-background-manager/manager";
     console.log(JSON.stringify([Object.keys(server), Object.keys(server.default), server.default === same.default, typeof openBackground]));`,
  );
  const runtimes: [string, string, string[]][] = [
    ["Node", process.execPath, []],
    ["Bun", join(PACKAGE_ROOT, "node_modules/.bin/bun"), []],
    ["OpenCode's own Bun", OPENCODE_BINARY, ["run"]],
  ];
  for (const [name, binary, args] of runtimes) {
    test(`loads in ${name} and exports one default, { id, server, setup }`, () => {
      const printed = run(binary, [...args, program], folder);
      const expected = [["default"], ["id", "server", "setup"], true, "function"];
      assert.deepEqual(JSON.parse(printed), expected);
    });
  }

  test("brings its command line", () => {
    const binary = join(folder, "node_modules/.bin/opencode-background-manager");
    const env = { ...process.env, XDG_STATE_HOME: folder };
    const printed = execFileSync(binary, ["ls", "--json"], { env, encoding: "utf8" });
    assert.doesNotThrow(() => JSON.parse(printed));
  });

  test("is installed by one line, for the server and the terminal", () => {
    const project = join(folder, "project");
    mkdirSync(project);
    run("git", ["init", "-q"], project);
    const spec = `opencode-background-manager@file:${join(folder, tarball.filename)}`;
    const home = join(folder, "home");
    const scratch = [
      "HOME",
      "XDG_DATA_HOME",
      "XDG_CONFIG_HOME",
      "XDG_STATE_HOME",
      "XDG_CACHE_HOME",
    ];
    const env = { ...process.env, ...Object.fromEntries(scratch.map((name) => [name, home])) };
    execFileSync(OPENCODE_BINARY, ["plugin", spec], { cwd: project, env, stdio: "pipe" });
    for (const name of ["opencode.json", "tui.json"]) {
      const written: unknown = JSON.parse(readFileSync(join(project, ".opencode", name), "utf8"));
      assert.deepEqual(written, { plugin: [spec] });
    }
  });

  const bed = useHost({ plugins: [join(installed, "dist/index.js")] });
  bed.test("works in a real OpenCode", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "packed" });
    assert.equal(await callTool(host, model, session.id, "listBackgroundTasks", {}), "none");
  });
});

function run(command: string, args: string[], cwd: string): string {
  const env = { ...process.env, BUN_BE_BUN: "1" };
  try {
    return execFileSync(command, args, {
      cwd,
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (thrown) {
    // What tsc has to say is on its standard output.
    const said = thrown instanceof Error && "stdout" in thrown ? String(thrown.stdout) : "";
    throw new Error(`${command} ${args.join(" ")}\n${said}`, { cause: thrown });
  }
}
