import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';

/** A message as JSON clients get it. */
export interface JsonMessage {
  readonly type: string;
  readonly channel?: string;
  readonly data?: unknown;
  readonly client_id?: string;
}

/** A JSON client that keeps what it receives until it is asked for. */
export class JsonClient {
  readonly socket: WebSocket;
  /** The close code, once the server or the network has ended the connection. */
  readonly closed: Promise<number>;
  readonly #messages: JsonMessage[] = [];
  #arrived: () => void = () => undefined;

  constructor(t: TestContext, url: string) {
    this.socket = new WebSocket(url);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code) => {
        resolve(code);
        this.#arrived();
      });
    });
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data) => {
      this.#messages.push(JSON.parse(String(data)));
      this.#arrived();
    });
    t.after(() => this.socket.terminate());
  }

  static async open(t: TestContext, url: string): Promise<JsonClient> {
    const client = new JsonClient(t, url);
    await once(client.socket, 'open');
    return client;
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The oldest message of `type` that was not taken yet; waits for it. Rejects once the connection has ended. */
  async next(type: string): Promise<JsonMessage> {
    for (;;) {
      const index = this.#messages.findIndex((message) => message.type === type);
      const [message] = index < 0 ? [] : this.#messages.splice(index, 1);
      if (message !== undefined) return message;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`closed, and no message of type ${type}`);
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

/** What the demo's handlers tell a new connection. */
export interface Welcome {
  readonly id: string;
  readonly shard: number;
  readonly remoteAddress: string;
}

export async function welcomeOf(client: JsonClient): Promise<Welcome> {
  const { data } = await client.next('welcome');
  return data as Welcome;
}

export type WelcomedClient = JsonClient & { readonly welcome: Welcome };

async function openWelcomed(t: TestContext, url: string): Promise<WelcomedClient> {
  const client = await JsonClient.open(t, url);
  return Object.assign(client, { welcome: await welcomeOf(client) });
}

/** Two clients that live on different shards: connections are opened until two do. */
export async function openOnTwoShards(t: TestContext, url: string): Promise<[WelcomedClient, WelcomedClient]> {
  const first = await openWelcomed(t, url);
  for (let tries = 0; tries < 64; tries++) {
    const other = await openWelcomed(t, url);
    if (other.welcome.shard !== first.welcome.shard) return [first, other];
    other.socket.close();
  }
  throw new Error('64 connections are all on one shard');
}

/** Subscribes and waits until the subscription is in effect: messages of a connection are handled in order. */
export async function subscribe(client: JsonClient, channel: string): Promise<void> {
  client.send({ type: 'subscribe', data: { channel } });
  client.send({ type: 'publish', channel, data: 'subscribed' });
  await client.next('message');
}
