import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { EngineStats } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { pause, until, within } from '../support/waiting.ts';
import type { FloodOrder } from './fixtures/flooded.ts';

const file = new URL('./fixtures/flooded.js', import.meta.url);
/** 1,600 messages of 65,000 bytes are 104 MB. */
const messages = 1_600;
const batch = 8;
const boundBytes = 1_048_576;
const spareBytes = 1_000_000;
/** What one costs is measured of several, so that what the process does besides is divided by as many. */
const sleepers = 8;
const limitBytes = boundBytes + spareBytes;
/** The middle one counts: two that are good decide it. */
const rounds = 3;
/** So many measurements in a row that are no lower. */
const settledAfter = 20;

/** An engine in another process. */
class Server {
  port = 0;
  readonly #child: ChildProcess;

  constructor(policy: 'disconnect' | 'drop') {
    // What the allocator keeps for later is no cost of a client: it is to give it back.
    const env = { ...process.env, MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' };
    this.#child = fork(file, [policy], { execArgv: ['--expose-gc'], env });
  }

  async start(): Promise<void> {
    this.port = (await this.#answer()) as number;
  }

  async order(order: FloodOrder): Promise<unknown> {
    const answer = this.#answer();
    this.#child.send(order);
    return await answer;
  }

  async stats(): Promise<EngineStats> {
    return (await this.order({ do: 'stats' })) as EngineStats;
  }

  /** Its exit code. */
  async close(): Promise<unknown> {
    const exit = once(this.#child, 'exit');
    this.#child.send({ do: 'close' } satisfies FloodOrder);
    const [code] = await within(exit, 'the end of the server');
    return code;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #answer(): Promise<unknown> {
    const [answer] = await within(once(this.#child, 'message'), 'an answer of the server', 240_000);
    return answer;
  }
}

/** One who subscribes and keeps of what comes only how much there was, and whether it came in order. */
class Reader {
  readonly #client: Client;
  next = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  async subscribe(): Promise<void> {
    await this.#client.subscribe('flood');
    // What the client keeps for tests would be all of it.
    this.#client.socket.removeAllListeners('message');
    this.#client.socket.on('message', (payload: Buffer) => {
      const text = payload.toString('latin1');
      const at = text.indexOf('"data":[');
      if (Number.parseInt(text.slice(at + 8, at + 20), 10) === this.next) this.next += 1;
    });
  }
}

for (const policy of ['disconnect', 'drop'] as const) {
  describe(`100 MB for clients that never read, with the policy ${policy}`, () => {
    it('each costs at most its bound and 1 MB; others get all in order and are answered', async () => {
      const server = new Server(policy);
      try {
        await server.start();
        const reader = new Reader(await connect(server));
        await reader.subscribe();
        const bystander = await connect(server);

        const flood = async (): Promise<void> => {
          const end = reader.next + messages;
          for (let from = reader.next; from < end; from += batch) {
            const to = Math.min(end, from + batch);
            await server.order({ do: 'publish', from, to });
            // Whoever only waits for small answers gets them in the middle of it.
            if (from % (batch * 10) === 0) await bystander.sync();
            await until(() => reader.next >= to, 'the reader', 240_000);
          }
        };
        const settledBytes = async (): Promise<number> => {
          let bytes = Infinity;
          // Heaps give their pages back a little later: until nothing more comes of it.
          for (let since = 0; since < settledAfter; since++) {
            bystander.send({ type: 'collect' });
            const { data } = await bystander.next((message) => message.type === 'collected');
            assert.equal(data, true);
            const now = (await server.order({ do: 'measure' })) as number;
            if (now < bytes - 65_536) since = 0;
            bytes = Math.min(bytes, now);
            await pause(40);
          }
          return bytes;
        };
        const withSleepers = async <T>(use: () => Promise<T>): Promise<T> => {
          const asleep: Client[] = [];
          for (let i = 0; i < sleepers; i++) {
            const client = await connect(server);
            await client.subscribe('flood');
            client.socket.pause();
            asleep.push(client);
          }
          const result = await use();
          for (const client of asleep) client.terminate();
          await until(async () => (await server.stats()).connections === 2, 'the sleepers to be gone');
          return result;
        };

        // Once for everything that is only allocated once.
        await withSleepers(flood);
        const costs: number[] = [];
        for (let round = 0; round < rounds && costs.filter((cost) => cost <= limitBytes).length < 2; round++) {
          await flood();
          const without = await settledBytes();
          const before = await server.stats();
          const during = await withSleepers(async () => {
            await flood();
            const { connections, messagesDropped, slowConsumersClosed } = await server.stats();
            assert.equal(connections, 2 + sleepers);
            assert.ok(messagesDropped - before.messagesDropped >= sleepers);
            assert.equal(slowConsumersClosed - before.slowConsumersClosed, policy === 'drop' ? 0 : sleepers);
            return await settledBytes();
          });
          costs.push(Math.round((during - without) / sleepers));
        }
        const good = costs.filter((cost) => cost <= limitBytes);
        assert.ok(good.length >= 2, `a client that does not read costs ${costs.join(', ')} bytes`);
        // Else it is not what waits for them that was measured.
        assert.ok(Math.max(...good) > boundBytes / 2, `a client that does not read costs ${costs.join(', ')} bytes`);
        assert.equal(reader.next, (1 + 2 * costs.length) * messages);
        await bystander.close();
        assert.equal(await server.close(), 0);
      } finally {
        server.kill();
      }
    });
  });
}
