// Owns: what tests of the page beside a real OpenCode share: a port, and a home with a program in the browser's place.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A port that nothing has at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port }: Pick<AddressInfo, "port"> = portOf(server.address());
  server.close();
  await once(server, "close");
  return port;
}

export function portOf(address: AddressInfo | string | null): AddressInfo {
  assert.ok(address && typeof address === "object");
  return address;
}

/** What two OpenCodes of one user have in common, and a program that stands for the browser. */
export function home() {
  const folder = mkdtempSync(join(tmpdir(), "obm-u-"));
  const opener = join(folder, "xdg-open");
  writeFileSync(opener, '#!/bin/sh\nprintf "%s\\n" "$1" >> "$0.called"\n');
  chmodSync(opener, 0o755);
  const env = { XDG_RUNTIME_DIR: folder, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
  return { folder, env, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
