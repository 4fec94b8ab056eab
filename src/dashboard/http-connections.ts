import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Bounds the connections of an HTTP server. A new connection always gets a place: where there is
 * none, the connection ends that has been without a request for longest, and if all have one, the
 * one whose request is the oldest. So neither silent nor slow callers keep others out.
 */
export function boundConnections(server: Server, connectionsMax: number): void {
  // Each in the order in which it came to this state.
  const idle = new Set<Socket>();
  const busy = new Set<Socket>();
  const move = (socket: Socket, from: Set<Socket>, to: Set<Socket>) => {
    if (from.delete(socket)) to.add(socket);
  };
  server.on("connection", (socket: Socket) => {
    socket.once("close", () => {
      idle.delete(socket);
      busy.delete(socket);
    });
    if (idle.size + busy.size >= connectionsMax) {
      const [longest] = idle.size > 0 ? idle : busy;
      longest?.destroy();
      if (longest !== undefined && !idle.delete(longest)) busy.delete(longest);
    }
    idle.add(socket);
  });
  server.on("request", ({ socket }, response: ServerResponse) => {
    move(socket, idle, busy);
    response.once("close", () => move(socket, busy, idle));
  });
}
