import type { StoreTrouble, StoreTroubleKind } from "../store-trouble.ts";

const storeTroubles: Readonly<Record<StoreTroubleKind, readonly [fact: string, remedy: string]>> = {
  away: ["Redis does not answer", "see that it runs and can be reached, then try again"],
  empty: ["Redis came back without any data", "the controller that leads writes its state back within seconds; try again then"],
  passwordMissing: ["Redis wants a password (NOAUTH)", "start the controller again with the password in --redis or DROVER_REDIS_URL"],
  passwordWrong: ["Redis refuses the password (WRONGPASS)", "start the controller again with the right one in --redis or DROVER_REDIS_URL"],
  notPermitted: ["Redis does not permit a command (NOPERM)", "give its user all commands on the keys {drover}:* (ACL SETUSER)"],
  diskFailing: ["Redis cannot write to its disk and takes no writes (MISCONF)", "free space there; it goes on by itself"],
  memoryFull: ["Redis has no memory left (OOM)", "raise its maxmemory (CONFIG SET maxmemory), or remove other data from it"],
  readOnly: ["Redis is a read-only replica now (READONLY)", "point --redis at the primary"],
  loading: ["Redis still reads its data (LOADING)", "wait until it has; nothing else is needed"],
  refusing: ["Redis refuses for now", "its own words say why"],
};

/** Why the store cannot be used now, with the remedy and Redis's own words. One line. */
export function storeTroubleInWords({ kind, said }: StoreTrouble): string {
  const [fact, remedy] = storeTroubles[kind];
  return `${fact}: ${remedy}${said === undefined ? "" : ` (${said})`}`;
}
