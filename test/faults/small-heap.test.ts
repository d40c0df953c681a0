import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EngineOptions } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { until, within } from '../support/waiting.ts';

interface Facts {
  readonly heapRefused: number;
  readonly controlRefused: number;
  readonly restarts: number;
  readonly connections: number;
  readonly heaps: readonly { readonly heapUsedBytes: number; readonly heapLimitBytes: number }[];
  readonly lost: readonly string[];
}

/** An engine in a process whose threads have heaps of so many MiB. */
class SmallHeap {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<readonly [number | null, string | null]>;
  port = 0;

  private constructor(mebibytes: number, options: EngineOptions) {
    const file = fileURLToPath(new URL('./fixtures/small-heap.js', import.meta.url));
    const given = JSON.stringify({ host: '127.0.0.1', port: 0, ...options });
    this.#child = spawn(process.execPath, [`--max-old-space-size=${mebibytes}`, file, given]);
    this.#child.stderr.resume();
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve([code, signal])));
  }

  static async start(mebibytes: number, options: EngineOptions): Promise<SmallHeap> {
    const engine = new SmallHeap(mebibytes, options);
    engine.port = (await engine.#next()) as number;
    return engine;
  }

  async #next(): Promise<unknown> {
    const { value, done } = await within(this.#lines.next(), 'a line of the engine', 60_000);
    assert.equal(done ?? false, false, 'the process has ended');
    return JSON.parse(value);
  }

  async facts(): Promise<Facts> {
    this.#child.stdin.write('\n');
    return (await this.#next()) as Facts;
  }

  end(): Promise<readonly [number | null, string | null]> {
    this.#child.stdin.end();
    return this.#ended;
  }
}

/** Joins so many channels with long names of its own. */
async function joinMany(port: number, client: number, channels: number): Promise<Client | undefined> {
  const one = await connect({ port }).catch(() => undefined);
  for (let i = 0; i < channels; i++) {
    one?.send({ type: 'subscribe', data: { channel: `${client}-${i}-`.padEnd(250, 'x') } });
  }
  return one;
}

describe('a process with small heaps', () => {
  it('knows what each shard may keep: the limit, less room for new objects', async () => {
    const engine = await SmallHeap.start(64, { shards: 2 });
    const { heaps } = await engine.facts();
    assert.deepEqual(
      heaps.map(({ heapLimitBytes }) => heapLimitBytes),
      [50_331_648, 50_331_648],
    );
    assert.deepEqual(await engine.end(), [0, null]);
  });

  it('lives on while clients join channels with long names, more than there is room for', async () => {
    // Main's guard is too slow for it on purpose: only what the shard does by itself counts here.
    const options = { shards: 1, replies: 'off', maxShardHeapBytes: 1_099_511_627_776 } as const;
    const engine = await SmallHeap.start(40, options);
    const clients: (Client | undefined)[] = [];
    for (let i = 0; i < 80; i++) clients.push(await joinMany(engine.port, i, 1_000));
    const isRefused = async (): Promise<boolean> => {
      const { heapRefused, controlRefused, lost } = await engine.facts();
      return heapRefused + controlRefused + lost.length > 0;
    };
    await until(isRefused, 'what does not fit to be refused', 60_000);
    for (const client of clients) client?.terminate();
    // With those gone there is room again.
    const newcomer = (): Promise<Client | undefined> => connect({ port: engine.port }).catch(() => undefined);
    const other = await until(newcomer, 'a newcomer to be served', 60_000);
    await other.sync();
    other.terminate();
    assert.deepEqual(await engine.end(), [0, null]);
  });

  it('loses only the shard whose handlers keep more and more, and replaces it', async () => {
    const options = { shards: 1, replies: 'all', maxShardHeapBytes: 1_099_511_627_776 } as const;
    const engine = await SmallHeap.start(64, options);
    const client = await connect({ port: engine.port });
    let gone = false;
    void client.closed.then(() => {
      gone = true;
    });
    // 64 KiB with each message, and an answer between some: nothing can stop what is kept in one go.
    for (let i = 0; i < 200 && !gone; i++) {
      for (let j = 0; j < 16; j++) client.send({ type: 'keep' });
      client.send({ type: 'unsubscribe', data: { channel: 'none' } });
      await client.next((message) => message.type === 'ok').catch(() => undefined);
    }
    assert.equal((await client.closed).code, 1012);
    const { lost } = await until(
      async () => {
        const facts = await engine.facts();
        return facts.restarts === 1 ? facts : undefined;
      },
      'the shard to be replaced',
      60_000,
    );
    assert.deepEqual(lost, ['ERR_SHARD_OUT_OF_MEMORY']);
    const other = await connect({ port: engine.port });
    await other.sync();
    other.terminate();
    assert.deepEqual(await engine.end(), [0, null]);
  });
});
