import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createPlacement, type Origin } from '#dist/main/accept/placement.js';
import { fc } from '../support/properties.ts';

const seeds = fc.uint8Array({ minLength: 8, maxLength: 8 });
const shardLists = fc.uniqueArray(fc.nat({ max: 63 }), { minLength: 1, maxLength: 16 });
const origins = fc.record({
  address: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const ways = fc.constantFrom('connection', 'address');

/** How many of `keys` each of four shards gets. */
function shares(by: 'connection' | 'address', seed: Uint8Array, keys: readonly Origin[]): number[] {
  const place = createPlacement(by, seed);
  const counts = [0, 0, 0, 0];
  for (const key of keys) {
    const shard = place(key, [0, 1, 2, 3]);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  return counts;
}

function assertBalanced(counts: readonly number[]): void {
  const all = counts.reduce((sum, count) => sum + count, 0);
  for (const count of counts) assert.ok(count >= all * 0.2 && count <= all * 0.3, `${counts} of ${all}`);
}

describe('placement', () => {
  test('gives one of the shards that there are, always the same, in whatever order they are listed', () => {
    fc.assert(
      fc.property(seeds, ways, origins, shardLists, (seed, by, origin, shards) => {
        const shard = createPlacement(by, seed)(origin, shards);
        assert.ok(shards.includes(shard));
        assert.equal(createPlacement(by, seed)(origin, [...shards].reverse()), shard);
      }),
    );
  });

  test('without a shard there is no place', () => {
    assert.equal(createPlacement('connection')({ address: '127.0.0.1', port: 1 }, []), -1);
  });

  test('when a shard goes, only its own connections move', () => {
    fc.assert(
      fc.property(
        seeds,
        ways,
        fc.array(origins, { maxLength: 50 }),
        shardLists,
        fc.nat(),
        (seed, by, keys, shards, at) => {
          const gone = shards[at % shards.length];
          const left = shards.filter((shard) => shard !== gone);
          const place = createPlacement(by, seed);
          for (const key of keys) {
            const before = place(key, shards);
            const after = place(key, left);
            if (before !== gone) assert.equal(after, before);
            else assert.ok(left.length === 0 ? after === -1 : left.includes(after));
          }
        },
      ),
    );
  });

  test('the connections of a shard that goes are spread over all that stay', () => {
    const place = createPlacement('connection');
    const moved = [0, 0, 0, 0];
    for (let port = 1_024; port < 40_000; port++) {
      const key = { address: '10.0.0.1', port };
      if (place(key, [0, 1, 2, 3]) !== 2) continue;
      const shard = place(key, [0, 1, 3]);
      moved[shard] = (moved[shard] ?? 0) + 1;
    }
    assert.equal(moved[2], 0);
    const all = moved.reduce((sum, count) => sum + count, 0);
    for (const shard of [0, 1, 3]) assert.ok((moved[shard] ?? 0) > all * 0.28, `${moved}`);
  });

  test('8,000 connections of one address are spread over four shards, each 20 to 30 %, whatever the seed', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.oneof(fc.ipV4(), fc.ipV6()),
        fc.integer({ min: 1_024, max: 40_000 }),
        (seed, address, first) => {
          const keys = Array.from({ length: 8_000 }, (_, i) => ({ address, port: first + i }));
          assertBalanced(shares('connection', seed, keys));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('8,000 addresses in a row are spread over four shards, each 20 to 30 %, by either way', () => {
    fc.assert(
      fc.property(seeds, ways, (seed, by) => {
        const keys = Array.from({ length: 8_000 }, (_, i) => ({ address: `10.1.${i >> 8}.${i & 255}`, port: 50_000 }));
        assertBalanced(shares(by, seed, keys));
      }),
      { numRuns: 25 },
    );
  });

  test("by 'address', all connections of an address share a shard", () => {
    fc.assert(
      fc.property(
        seeds,
        origins,
        shardLists,
        fc.array(fc.integer({ min: 1, max: 65_535 })),
        (seed, origin, shards, ports) => {
          const place = createPlacement('address', seed);
          const shard = place(origin, shards);
          for (const port of ports) assert.equal(place({ ...origin, port }, shards), shard);
        },
      ),
    );
  });

  test('every process has a seed of its own, so that nobody outside can aim at a shard', () => {
    const keys = Array.from({ length: 256 }, (_, i) => ({ address: '10.0.0.1', port: 1_024 + i }));
    const placed = [createPlacement('connection'), createPlacement('connection')].map((place) =>
      keys.map((key) => place(key, [0, 1, 2, 3])).join(''),
    );
    assert.notEqual(placed[0], placed[1]);
  });
});
