import type { NodeSocket } from './node-socket.ts';

const lookMs = 100;
/** A peer is cut if it has not ended its side this long after our FIN. */
const cutMs = 1_000;
/** A peer is cut if it has read nothing of what waits before the FIN for this long. */
const stuckMs = 16_000;

interface Ending {
  since: number;
  written: number;
}

/** WebSockets that have ended, until their sockets are gone: peers that do not end their side are cut. */
export class EndedSockets<A> {
  readonly #cut: () => void;
  readonly #sockets = new Map<NodeSocket<A>, Ending>();
  #timer: NodeJS.Timeout | null = null;

  constructor(cut: () => void) {
    this.#cut = cut;
  }

  add(socket: NodeSocket<A>): void {
    this.#sockets.set(socket, { since: performance.now(), written: -1 });
    this.#timer ??= setInterval(() => this.#look(), lookMs);
  }

  delete(socket: NodeSocket<A>): void {
    this.#sockets.delete(socket);
    if (this.#sockets.size === 0) this.close();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const now = performance.now();
    for (const [socket, ending] of this.#sockets) {
      const { stream } = socket.tcp;
      if (stream.bytesWritten - stream.writableLength !== ending.written) {
        ending.written = stream.bytesWritten - stream.writableLength;
        ending.since = now;
      }
      if (now - ending.since < (stream.writableFinished ? cutMs : stuckMs)) continue;
      this.#sockets.delete(socket);
      this.#cut();
      socket.tcp.destroy();
    }
    if (this.#sockets.size === 0) this.close();
  }
}
