import { createServer, type Server, type Socket } from 'node:net';
import { BroadcastChannel } from 'node:worker_threads';
import { type Duplicate, descriptorOf, findDuplicate } from '../../../shared/base/descriptors.ts';
import { EngineError } from '../../../shared/errors/index.ts';

export interface ListenerEvents {
  /** Takes over a descriptor. */
  adopt(descriptor: number): void;
  /** Takes over a socket whose descriptor cannot be had. */
  adoptSocket(socket: Socket): void;
  /** No descriptor is left for new connections, or there is one again. */
  starved(isStarved: boolean): void;
}

/** Names a transport to listeners in other threads: descriptors are posted to it under this name. */
let handles = 0;

/**
 * Where descriptors come in from a listener of another thread: all threads of a process have the same descriptors. What
 * is on its way when the thread ends is lost with it, so a listener is told to forget a transport first.
 */
export class DescriptorReceiver {
  readonly name: string;
  readonly #channel: BroadcastChannel;

  constructor(threadId: number, adopt: (descriptor: number) => void) {
    handles += 1;
    this.name = `shardwire/transport/${process.pid}/${threadId}/${handles}`;
    this.#channel = new BroadcastChannel(this.name);
    this.#channel.onmessage = (message) => {
      const data: unknown = Reflect.get(message as object, 'data');
      if (typeof data === 'number') adopt(data);
    };
    this.#channel.unref();
  }

  close(): void {
    this.#channel.close();
  }
}

/** Accepts connections and deals them out to transports, in turn. */
export class Listener {
  readonly #events: ListenerEvents;
  readonly #own: string | null;
  readonly #duplicate: Duplicate | null = findDuplicate();
  /** By the name of a transport; null: the transport that listens. */
  readonly #targets = new Map<string, BroadcastChannel | null>();
  #next = 0;
  #server: Server | null = null;
  #isStarved = false;

  constructor(own: string | null, events: ListenerEvents) {
    this.#own = own;
    this.#events = events;
  }

  async listen(host: string, port: number): Promise<number> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(new EngineError('ERR_LISTEN_FAILED', `cannot listen on ${host}:${port}: ${error.message}`));
      });
      server.listen({ host, port, exclusive: true }, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', () => this.#starve(true));
    this.#server = server;
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  meet(handle: unknown): void {
    if (typeof handle !== 'string' || this.#targets.has(handle)) return;
    if (handle === this.#own) {
      this.#targets.set(handle, null);
      return;
    }
    const channel = new BroadcastChannel(handle);
    channel.unref();
    this.#targets.set(handle, channel);
  }

  forget(handle: unknown): void {
    if (typeof handle !== 'string') return;
    this.#targets.get(handle)?.close();
    this.#targets.delete(handle);
  }

  stop(): void {
    this.#server?.close();
    this.#server = null;
  }

  close(): void {
    this.stop();
    for (const handle of [...this.#targets.keys()]) this.forget(handle);
  }

  #accept(socket: Socket): void {
    this.#starve(false);
    const channels = [...this.#targets.values()];
    const channel = channels.length === 0 ? null : (channels[this.#next % channels.length] ?? null);
    this.#next += 1;
    const descriptor = this.#duplicate === null ? -1 : this.#duplicate(descriptorOf(socket));
    if (descriptor < 0) {
      // Without a duplicate it cannot go to another thread.
      this.#events.adoptSocket(socket);
      return;
    }
    socket.destroy();
    if (channel === null) this.#events.adopt(descriptor);
    else channel.postMessage(descriptor);
  }

  #starve(isStarved: boolean): void {
    if (this.#isStarved === isStarved) return;
    this.#isStarved = isStarved;
    this.#events.starved(isStarved);
  }
}
