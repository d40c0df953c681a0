import { type Client, connect } from '../support/client.ts';
import { pause } from '../support/waiting.ts';

const pauseMs = 20;

/** Well-behaved clients on every shard: each sends a message to itself, waits for it, and so on. */
export class Bystanders {
  readonly #clients: Client[] = [];
  readonly #loops: Promise<void>[] = [];
  #stopped = false;
  /** Round trips done, and the longest of them. */
  served = 0;
  worstMs = 0;
  /** Why a bystander was not served any more. */
  readonly faults: string[] = [];

  async start(port: number, count: number, tls?: { readonly ca: string }): Promise<void> {
    for (let i = 0; i < count; i++) {
      const client = await connect({ port }, tls === undefined ? {} : { tls });
      await client.subscribe(`bystander-${i}`);
      this.#clients.push(client);
      this.#loops.push(
        this.#serve(client, `bystander-${i}`).catch((error: Error) => void this.faults.push(error.message)),
      );
    }
  }

  get count(): number {
    return this.#clients.length;
  }

  /** Forgets what was measured so far. */
  begin(): void {
    this.served = 0;
    this.worstMs = 0;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    for (const client of this.#clients) client.terminate();
  }

  async #serve(client: Client, channel: string): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const start = performance.now();
      client.send({ type: 'publish', channel, data: number });
      const { data } = await client.next();
      if (data !== number) throw new Error(`${channel} sent ${number} and got ${JSON.stringify(data)}`);
      this.worstMs = Math.max(this.worstMs, performance.now() - start);
      this.served += 1;
      await pause(pauseMs);
    }
  }
}
