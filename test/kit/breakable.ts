import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** An address that leads to the one of a server until `lose`, which ends its connections as a crash does. */
export async function breakable(address: string): Promise<{ readonly address: string; readonly lose: () => void }> {
  const sockets = new Set<Socket>();
  const relay = createServer((from) => {
    const to = address.startsWith("unix:") ? connect(address.slice("unix:".length)) : connect(Number(address.split(":")[1]), "127.0.0.1");
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const lose = () => {
    relay.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(lose);
  return { address: `127.0.0.1:${(relay.address() as { readonly port: number }).port}`, lose };
}
