import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Counters, counter } from '#dist/shared/memory/counters.js';
import type { ShardConnection } from '#dist/worker/connection/shard-connection.js';
import { ShardBackpressure } from '#dist/worker/outbound/shard-backpressure.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { handlers, openObserver, openSleeper } from './slow-fixture.ts';

const filler = 'x'.repeat(20_000);
const boundBytes = 8_388_608;

/** A connection with so many unsent bytes, and what became of it. */
class Reader {
  bufferedBytes: number;
  isOpen = true;
  fate = '';
  readonly socket = {
    terminate: (): void => {
      this.fate += ' cut';
      this.bufferedBytes = 0;
    },
  };

  constructor(bufferedBytes: number) {
    this.bufferedBytes = bufferedBytes;
  }

  close(code: number): void {
    this.fate += ` ${code}`;
    this.isOpen = false;
  }
}

/** Looks at the sum each time that `wrote` says that it is due. */
class Bench {
  readonly readers: Reader[];
  readonly #counts = new Map<number, number>();
  readonly #backpressure: ShardBackpressure;
  sums = 0;

  constructor(maxBytes: number, backlogs: readonly number[]) {
    this.readers = backlogs.map((bytes) => new Reader(bytes));
    const { readers } = this;
    const connections = {
      values: () => {
        this.sums += 1;
        return readers.values();
      },
    } as unknown as ReadonlyMap<string, ShardConnection>;
    const counters = {
      get: (place: number) => this.#counts.get(place) ?? 0,
      add: (place: number, amount: number) => this.#counts.set(place, (this.#counts.get(place) ?? 0) + amount),
    } as unknown as Counters;
    this.#backpressure = new ShardBackpressure({ maxBytes, counters, connections, log: { write: () => undefined } });
  }

  get closed(): number {
    return this.#counts.get(counter.shardBackpressureClosed) ?? 0;
  }

  get fates(): readonly string[] {
    return this.readers.map(({ fate }) => fate.trim());
  }

  async wrote(bytes: number): Promise<void> {
    this.#counts.set(counter.bytesOut, (this.#counts.get(counter.bytesOut) ?? 0) + bytes);
    this.#backpressure.sent();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the bound of what waits for all clients of a shard', () => {
  it('closes the slowest first, and no more than it takes', async () => {
    const bench = new Bench(1_000_000, [100_000, 500_000, 0, 300_000, 400_000]);
    await bench.wrote(1_000_000);
    assert.deepEqual(bench.fates, ['', '3008', '', '', '']);
    assert.equal(bench.closed, 1);
  });

  it('cuts those that are leaving once the sum is over the bound again, before it closes others', async () => {
    const bench = new Bench(1_000_000, [100_000, 500_000, 0, 300_000, 400_000]);
    await bench.wrote(1_000_000);
    await bench.wrote(62_500);
    assert.deepEqual(bench.fates, ['', '3008 cut', '', '', '']);
    // Of the two that wait most, one is enough now.
    for (const reader of bench.readers) if (reader.bufferedBytes > 0) reader.bufferedBytes += 100_000;
    await bench.wrote(1_000_000);
    assert.deepEqual(bench.fates, ['', '3008 cut', '', '', '3008']);
    assert.equal(bench.closed, 2);
  });

  it('takes no sum before so much was written that it could be over the bound', async () => {
    const bench = new Bench(1_000_000, [0, 200_000]);
    for (let i = 0; i < 9; i++) await bench.wrote(100_000);
    assert.equal(bench.sums, 0);
    await bench.wrote(100_000);
    assert.equal(bench.sums, 1);
    // 200,000 wait: 800,000 more could.
    for (let i = 0; i < 7; i++) await bench.wrote(100_000);
    assert.equal(bench.sums, 1);
    await bench.wrote(100_000);
    assert.equal(bench.sums, 2);
  });

  it('takes one sum per sixteenth of the bound at most, also where the sum is at the bound', async () => {
    const bench = new Bench(1_600_000, [1_600_000]);
    for (let i = 0; i < 160; i++) await bench.wrote(20_000);
    // 3,200,000 were written; a sum was due after 1,600,000, and then after each 100,000.
    assert.equal(bench.sums, 17);
    assert.deepEqual(bench.fates, ['']);
  });

  for (const more of [{ slowConsumer: 'disconnect' }, { slowConsumer: 'drop', acceptor: 'shard' }] as const) {
    it(`closes clients that do not read, and no other, with ${JSON.stringify(more)}`, () =>
      withEngine(
        {
          shards: 1,
          handlers,
          maxBackpressureBytes: 1_073_741_824,
          maxShardBackpressureBytes: boundBytes,
          writeWaitMs: 600_000,
          ...more,
        },
        async (engine) => {
          const { client, log } = await openObserver(engine);
          const reader = await connect(engine);
          await reader.subscribe('flood');
          const names = ['a', 'b', 'c'];
          for (const name of names) await openSleeper(engine, name);
          let published = 0;
          while (engine.stats().shardBackpressureClosed < names.length && published < 20_000) {
            for (let i = 0; i < 16; i++) engine.publish('flood', { data: [published++, filler] });
            await until(() => reader.all.length === published, 'the reader', 60_000);
          }
          // Until all of them are cut: what they have not read is over the bound by itself.
          await until(
            () => {
              engine.publish('flood', { data: [published++, filler] });
              return log('gone').length >= names.length - 1;
            },
            'the end of all but one at least',
            60_000,
          );
          await client.sync();
          for (const gone of log('gone')) assert.deepEqual((gone as unknown[]).slice(2), [3008, 'too slow']);
          await until(() => reader.all.length === published, 'the reader', 60_000);
          const numbers = reader.all.map(({ data }) => (data as [number])[0]);
          assert.deepEqual(
            numbers,
            Array.from({ length: published }, (_, i) => i),
          );
          const { messagesDropped, slowConsumersClosed, shardBackpressureClosed } = engine.stats();
          assert.deepEqual([messagesDropped, slowConsumersClosed, shardBackpressureClosed], [0, 0, names.length]);
        },
      ));
  }
});
