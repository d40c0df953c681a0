import type { Socket } from 'node:net';

/**
 * Ends with a TCP reset instead of a FIN. One whose FIN is on its way is destroyed: there `resetAndDestroy` fails with
 * EINVAL, and Node keeps the descriptor for ever. `tcp`: what is below, where `socket` speaks TLS.
 */
export function resetSocket(socket: Socket, tcp: Socket = socket): void {
  if (socket.writableEnded || tcp.writableEnded) tcp.destroy();
  else tcp.resetAndDestroy();
}
