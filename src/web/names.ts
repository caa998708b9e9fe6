/**
 * By which names browsers call this server: the address at which a request has come in, `localhost` on loopback, and
 * what its user names. Another one is refused, for a foreign site can let its own name lead here (DNS rebinding); an
 * address is the name of no other site, so it needs no naming.
 */
import { networkInterfaces } from "node:os";
import { UserError } from "../ports.js";

export const LOOPBACK = "127.0.0.1";
const ALL_IPV4 = "0.0.0.0";
const ALL = "::";
const HOST_NAME = /^(?=.{1,253}$)[a-z\d_-]{1,63}(?:\.[a-z\d_-]{1,63})*$/u;
const IPV6 = /^[\da-f:.]{2,45}$/u;

/** As browsers write it, without brackets; throws a `UserError` for what is none. */
export function readName(text: string): string {
  const name = text.toLowerCase();
  if (HOST_NAME.test(name) || (name.includes(":") && IPV6.test(name))) return name;
  throw new UserError(
    `--name ${text}: expected a host name or an address, without scheme and port, such as host.example`,
  );
}

/** Where a request has come in. */
export interface Arrival {
  localAddress?: string | undefined;
  localPort?: number | undefined;
}

/** Whether a `Host` header is this server's. A given name counts with any port: a proxy may stand between. */
export function isOwnHost(
  header: string,
  { localAddress, localPort = 0 }: Arrival,
  given: readonly string[],
): boolean {
  const host = header.toLowerCase();
  if (given.includes(host.replace(/:\d{1,5}$/u, "").replace(/^\[(.*)\]$/u, "$1"))) return true;
  if (localAddress === undefined) return false;
  const address = localAddress.replace(/^::ffff:/u, "").replace(/%.*$/u, "");
  const isLoopback = address.startsWith("127.") || address === "::1";
  return [address, ...(isLoopback ? ["localhost"] : [])].some((name) => {
    const written = inBrackets(name);
    // Browsers leave out the port that is usual.
    return host === `${written}:${localPort}` || (localPort === 80 && host === written);
  });
}

/** Each with its port, as a link has it; the first is the one to tell when only one is told. */
export function linkHosts(
  host: string,
  port: number,
  given: readonly string[],
  interfaces = networkInterfaces(),
): string[] {
  const names = [
    ...(host === ALL_IPV4 || host === ALL ? reached(host, interfaces) : [host]),
    ...given,
  ];
  return [...new Set(names)].map((name) => `${inBrackets(name)}:${port}`);
}

/** The machine's addresses, those that only itself can reach last. Link-local ones need a zone: no browser takes it. */
function reached(host: string, interfaces: ReturnType<typeof networkInterfaces>): string[] {
  const usable = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter(({ family }) => family === "IPv4" || host === ALL)
    .filter(({ address }) => !address.startsWith("fe80:"));
  return [
    ...usable.filter(({ internal }) => !internal),
    ...usable.filter(({ internal }) => internal),
  ].map(({ address }) => address);
}

function inBrackets(name: string): string {
  return name.includes(":") ? `[${name}]` : name;
}
