// Owns: what a user, a child, a process or the host may do in the model's world, at random.
import * as fc from "fast-check";

export const MINUTE = 60_000;

export type Action =
  | { do: "launch"; by: number; group?: string | undefined }
  | { do: "spawn"; by: number; stubborn: boolean; group?: string | undefined }
  | { do: "print"; which: number; characters: number }
  | { do: "exit"; which: number; code: number }
  | { do: "finish"; which: number; how: "answer" | "fail" | "abort" | "delete" }
  | { do: "end by agent" | "end by user"; which: number }
  | { do: "type" | "turn" | "esc" | "delete session"; by: number }
  | { do: "wait"; milliseconds: number }
  | { do: "save" }
  | { do: "restart" }
  | { do: "crash"; watchdog: boolean };

const which = fc.nat(11);
const by = fc.nat(1);
const group = fc.constantFrom(undefined, undefined, "one", "two");
const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const just = <const T extends string>(name: T) => fc.constant(name);

export const action: fc.Arbitrary<Action> = fc.oneof(
  weighted(8, fc.record({ do: just("launch"), by, group })),
  weighted(8, fc.record({ do: just("spawn"), by, stubborn: fc.boolean(), group })),
  weighted(3, fc.record({ do: just("print"), which, characters: fc.nat(9_000) })),
  weighted(5, fc.record({ do: just("exit"), which, code: fc.nat(2) })),
  weighted(
    8,
    fc.record({
      do: just("finish"),
      which,
      how: fc.constantFrom("answer", "answer", "fail", "abort", "delete"),
    }),
  ),
  weighted(4, fc.record({ do: fc.constantFrom("end by agent", "end by user"), which })),
  weighted(6, fc.record({ do: fc.constantFrom("type", "turn", "turn", "esc"), by })),
  weighted(1, fc.record({ do: just("delete session"), by })),
  weighted(
    4,
    fc.record({ do: just("wait"), milliseconds: fc.constantFrom(0, 200, 600, 3_000, MINUTE) }),
  ),
  weighted(1, fc.record({ do: just("save") })),
  weighted(1, fc.record({ do: just("restart") })),
  weighted(2, fc.record({ do: just("crash"), watchdog: fc.boolean() })),
);
