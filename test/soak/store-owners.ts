/**
 * The store's tests with real owners, many times: 100 rounds of claim races and of kills while writing.
 *
 *     node --import tsx --test test/soak/store-owners.ts
 */
import { env } from "node:process";

env["ROUNDS"] ??= "100";
await import("../store/race.test.js");
await import("../store/kill.test.js");
