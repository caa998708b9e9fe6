import type { Clock, Timer } from "../ports.js";

/** Whether something happens in time; the wait for it is given up afterwards, not the thing itself. */
export async function within(
  clock: Clock,
  milliseconds: number,
  event: Promise<unknown>,
): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = clock.after(milliseconds, () => resolve(false));
  });
  const inTime = await Promise.race([event.then(() => true), late]);
  timer?.cancel();
  return inTime;
}
