import { createServer, type Server, Socket } from 'node:net';
import { type Duplicate, descriptorOf } from '../../shared/base/descriptors.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { EngineError, errorText } from '../../shared/errors/index.ts';
import type { Place } from './placement.ts';
import { boundReceiveBuffer } from './receive-buffer.ts';

/**
 * Closes a descriptor that a shard was given and did not adopt before its thread ended, so that the client does not
 * wait for ever.
 */
export function closeDescriptor(descriptor: number): void {
  try {
    new Socket({ fd: descriptor }).destroy();
  } catch {
    // It is no socket any more, so there is nothing to close.
  }
}

export interface AcceptorOptions {
  readonly config: EngineConfig;
  readonly place: Place;
  readonly duplicate: Duplicate;
  /** Shards that may be given connections now. */
  shards(): readonly number[];
  /** Gives accepted sockets to a shard, which then owns the descriptors. */
  handOver(shard: number, descriptors: readonly number[]): void;
  /** A connection could not be accepted, duplicated or placed; it was closed. */
  failed(reason: string): void;
  /** The peer had left before it could be placed. */
  peerLeft(): void;
}

/** Accepts in main, picks a shard, and hands a duplicate of the socket's descriptor over. Reads nothing. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #server: Server;
  readonly #batches = new Map<number, number[]>();
  #flushing = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    // Paused, so that the first bytes stay in the kernel for the shard to read.
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Resolves to the port. Rejects with `ERR_LISTEN_FAILED`. */
  listen(): Promise<number> {
    const { host, port, backlog } = this.#options.config;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const text = `cannot listen on ${host}:${port}: ${errorText(cause)}`;
        reject(new EngineError('ERR_LISTEN_FAILED', text, { path: 'port', given: port, cause }));
      });
      this.#server.listen({ host, port, backlog }, () => {
        this.#server.removeAllListeners('error');
        boundReceiveBuffer(descriptorOf(this.#server));
        this.#server.on('error', (error) => this.#options.failed(errorText(error)));
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Stops accepting. Connections that were accepted before are with their shards once this resolves. */
  close(): Promise<void> {
    this.#flush();
    if (!this.#server.listening) return Promise.resolve();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const { place, duplicate, shards, failed } = this.#options;
    const address = socket.remoteAddress;
    const port = socket.remotePort;
    if (address === undefined || port === undefined) {
      socket.destroy();
      this.#options.peerLeft();
      return;
    }
    const shard = place({ address, port }, shards());
    const descriptor = shard < 0 ? -1 : duplicate(descriptorOf(socket));
    // This closes Node's descriptor only: the duplicate keeps the connection.
    socket.destroy();
    if (descriptor < 0) {
      failed(shard < 0 ? 'no shard to give the connection to' : 'the descriptor could not be duplicated');
      return;
    }
    const batch = this.#batches.get(shard);
    if (batch === undefined) this.#batches.set(shard, [descriptor]);
    else batch.push(descriptor);
    if (this.#flushing) return;
    this.#flushing = true;
    // A burst is handed over with one message per shard and turn of the loop.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    for (const [shard, descriptors] of this.#batches) this.#options.handOver(shard, descriptors);
    this.#batches.clear();
  }
}
