import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  ConnectionTally,
  createTallyMemory,
  type TallyLimits,
  type TallyMemory,
} from '#dist/shared/memory/connection-tally.js';
import { fc } from '../support/properties.ts';

function memoryFor(shards: number, limits: TallyLimits): TallyMemory {
  const memory = createTallyMemory(shards, limits);
  assert.ok(memory !== null);
  return memory;
}

function tallyOf(shards: number, limits: TallyLimits): ConnectionTally {
  return new ConnectionTally(memoryFor(shards, limits), limits);
}

describe('the tally of connections', () => {
  test('needs no memory where nothing is limited, and no table where addresses are not', () => {
    assert.equal(createTallyMemory(4, { connections: null, connectionsPerAddress: null }), null);
    assert.equal(createTallyMemory(4, { connections: 1, connectionsPerAddress: null })?.addresses, null);
  });

  test('admits as many as the limit over all shards, and another one for each that leaves', () => {
    const tally = tallyOf(3, { connections: 5, connectionsPerAddress: null });
    for (let i = 0; i < 5; i++) assert.equal(tally.enter(i % 3, '127.0.0.1'), 'admitted');
    assert.equal(tally.enter(0, '127.0.0.1'), 'full');
    assert.equal(tally.total, 5);
    tally.leave(1, '127.0.0.1');
    assert.equal(tally.enter(2, '127.0.0.1'), 'admitted');
    assert.equal(tally.enter(2, '127.0.0.1'), 'full');
  });

  test('admits as many as the limit per address over all shards; one that is refused leaves no trace', () => {
    const tally = tallyOf(2, { connections: 100, connectionsPerAddress: 2 });
    assert.equal(tally.enter(0, '10.0.0.1'), 'admitted');
    assert.equal(tally.enter(1, '10.0.0.1'), 'admitted');
    for (let i = 0; i < 50; i++) assert.equal(tally.enter(i % 2, '10.0.0.1'), 'address-full');
    assert.equal(tally.enter(0, '10.0.0.2'), 'admitted');
    assert.equal(tally.total, 3);
    tally.leave(0, '10.0.0.1');
    assert.equal(tally.enter(1, '10.0.0.1'), 'admitted');
  });

  test('takes the addresses of one IPv6 /64 for one', () => {
    const tally = tallyOf(1, { connections: null, connectionsPerAddress: 1 });
    assert.equal(tally.enter(0, '2001:db8::1'), 'admitted');
    assert.equal(tally.enter(0, '2001:db8::2'), 'address-full');
    assert.equal(tally.enter(0, '2001:db8:0:1::2'), 'admitted');
  });

  test('forgets what a dead shard had counted, and only that', () => {
    const tally = tallyOf(2, { connections: 4, connectionsPerAddress: 3 });
    for (let i = 0; i < 3; i++) tally.enter(0, '10.0.0.1');
    tally.enter(1, '10.0.0.2');
    tally.clear(0);
    assert.equal(tally.total, 1);
    for (let i = 0; i < 3; i++) assert.equal(tally.enter(1, '10.0.0.1'), 'admitted');
    assert.equal(tally.enter(0, '10.0.0.1'), 'full');
  });

  test('never counts an address too low, and is exact again once all have left', () => {
    const step = fc.record({ shard: fc.nat(2), address: fc.nat(20), leaves: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const limit = 3;
        const tally = tallyOf(3, { connections: null, connectionsPerAddress: limit });
        const open: { shard: number; address: string }[] = [];
        for (const { shard, address: number, leaves } of steps) {
          const address = `10.0.0.${number}`;
          if (leaves && open.length > 0) {
            const [gone] = open.splice(number % open.length, 1);
            if (gone !== undefined) tally.leave(gone.shard, gone.address);
            continue;
          }
          const held = open.filter((one) => one.address === address).length;
          const admission = tally.enter(shard, address);
          if (held >= limit) assert.equal(admission, 'address-full');
          if (admission === 'admitted') open.push({ shard, address });
          assert.equal(tally.total, open.length);
        }
        for (const { shard, address } of open) tally.leave(shard, address);
        assert.equal(tally.total, 0);
        for (let i = 0; i < limit; i++) assert.equal(tally.enter(0, '10.0.0.1'), 'admitted');
      }),
      { numRuns: 30 },
    );
  });

  test('refuses next to none of 10,000 addresses for the sake of others', () => {
    const tally = tallyOf(1, { connections: null, connectionsPerAddress: 1 });
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      if (tally.enter(0, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`) !== 'admitted') refused += 1;
    }
    // The bound for the last of them is 1 in 1,800, and most come before that.
    assert.ok(refused <= 20, `${refused} were refused`);
  });

  test('lets not one too many in, of threads that try at the same time', async () => {
    const limits: TallyLimits = { connections: 1_000, connectionsPerAddress: 300 };
    const memory = memoryFor(4, limits);
    const counts = await Promise.all([0, 1, 2, 3].map((shard) => enterInThread(memory, limits, shard)));
    const total = counts.reduce((sum, { total: one }) => sum + one, 0);
    const perAddress = counts[0]?.addresses.map((_, at) =>
      counts.reduce((sum, one) => sum + (one.addresses[at] ?? 0), 0),
    );
    assert.ok(total <= 1_000, `${total} in all`);
    for (const count of perAddress ?? []) assert.ok(count <= 300, `${count} of one address`);
    assert.equal(new ConnectionTally(memory, limits).total, total);
    assert.ok(total > 0);
  });
});

interface Entered {
  readonly total: number;
  readonly addresses: readonly number[];
}

function enterInThread(memory: TallyMemory, limits: TallyLimits, shard: number): Promise<Entered> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./fixtures/entering.js', import.meta.url), {
      workerData: { memory, limits, shard },
    });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
