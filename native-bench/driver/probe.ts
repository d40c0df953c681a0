import { WebSocket } from 'ws';
import { type ClientTalk, dataOf, type Wire } from './wire.ts';

const answerMs = 5_000;

/** One client of the `ws` package, which the load generator has nothing in common with. */
class ProbeClient {
  readonly #socket: WebSocket;
  readonly #received: Buffer[] = [];
  #fault: string | null = null;
  #wake: () => void = () => undefined;

  constructor(url: string, { subprotocol }: ClientTalk) {
    this.#socket = new WebSocket(url, subprotocol === null ? [] : [subprotocol], { perMessageDeflate: false });
    this.#socket.on('message', (payload: Buffer) => {
      this.#received.push(payload);
      this.#wake();
    });
    this.#socket.on('error', (error) => this.#failed(error.message));
    this.#socket.on('close', (code) => this.#failed(`closed with ${code}`));
    this.#socket.on('open', () => this.#wake());
  }

  async opened(): Promise<void> {
    await this.#until(() => this.#socket.readyState === WebSocket.OPEN, 'the handshake');
  }

  async next(): Promise<Buffer> {
    await this.#until(() => this.#received.length > 0, 'a message');
    return this.#received.shift() ?? Buffer.alloc(0);
  }

  say(payload: Uint8Array, { opcode }: ClientTalk): void {
    this.#socket.send(payload, { binary: opcode === 'binary' });
  }

  end(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.terminate();
  }

  #failed(fault: string): void {
    this.#fault ??= fault;
    this.#wake();
  }

  async #until(isTrue: () => boolean, what: string): Promise<void> {
    const end = performance.now() + answerMs;
    while (!isTrue()) {
      if (this.#fault !== null) throw new Error(`while ${what} was awaited: ${this.#fault}`);
      if (performance.now() > end) throw new Error(`${what} did not come within ${answerMs} ms`);
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(limit);
          resolve();
        };
      });
    }
  }
}

async function enter(port: number, wire: Wire, talk: ClientTalk): Promise<ProbeClient> {
  const client = new ProbeClient(`ws://127.0.0.1:${port}${wire.path}`, talk);
  try {
    await client.opened();
    for (let i = 0; i < wire.awaitFirst; i++) await client.next();
    for (const { payload, replies } of talk.setup) {
      client.say(payload, talk);
      for (let i = 0; i < replies; i++) await client.next();
    }
    return client;
  } catch (error) {
    client.end();
    throw error;
  }
}

function check(received: Buffer, wire: Wire, dataBytes: number): number {
  if (!Buffer.from(wire.reveal(received)).includes(dataOf(dataBytes))) {
    throw new Error(`an answer of ${received.length} bytes does not have the data that was sent`);
  }
  return received.length;
}

/**
 * Tries a server before it is measured: that a message comes back, or reaches one subscriber of each kind, with its
 * data whole. Gives the size of such a message. Throws for a server that does not serve.
 */
export async function probe(port: number, wire: Wire, isFanout: boolean, dataBytes: number): Promise<number> {
  const clients: ProbeClient[] = [];
  try {
    const talks = isFanout ? wire.clients : [wire.clients[0]];
    for (const talk of talks) clients.push(await enter(port, wire, talk));
    const [first] = clients;
    if (isFanout) {
      const publisher = await enter(port, wire, wire.publisher);
      clients.push(publisher);
      publisher.say(wire.message, wire.publisher);
      const sizes: number[] = [];
      for (const client of clients.slice(0, talks.length)) sizes.push(check(await client.next(), wire, dataBytes));
      return sizes[0] ?? 0;
    }
    first?.say(wire.message, wire.clients[0]);
    return check((await first?.next()) ?? Buffer.alloc(0), wire, dataBytes);
  } finally {
    for (const client of clients) client.end();
  }
}

/** Connections that stay while others are measured. The result ends them. */
export async function occupy(port: number, wire: Wire, count: number): Promise<() => void> {
  const clients: ProbeClient[] = [];
  const end = (): void => {
    for (const client of clients) client.end();
  };
  const atOnce = 50;
  try {
    while (clients.length < count) {
      const some = Array.from({ length: Math.min(atOnce, count - clients.length) }, () =>
        enter(port, wire, wire.clients[0]),
      );
      clients.push(...(await Promise.all(some)));
    }
    return end;
  } catch (error) {
    end();
    throw error;
  }
}
