import { randomFillSync } from 'node:crypto';
import { subscriberOf } from '../base/ip-address.ts';

/** Shared memory of a tally. Structured-cloneable. */
export interface TallyMemory {
  /** Connections per shard. */
  readonly totals: SharedArrayBuffer;
  /** Per shard a table of `rows` × `columns` counters; null: addresses are not limited. */
  readonly addresses: SharedArrayBuffer | null;
  /** One per row, random: nobody outside can tell which addresses share a counter. */
  readonly seeds: readonly number[];
}

export interface TallyLimits {
  readonly connections: number | null;
  readonly connectionsPerAddress: number | null;
}

/** A place among the connections, or which limit is reached. */
export type Admission = 'admitted' | 'full' | 'address-full';

const rows = 4;
const columns = 65_536;
const columnBits = 16;
const tableWords = rows * columns;

/** Null: nothing is limited, and nothing need be counted. */
export function createTallyMemory(shards: number, limits: TallyLimits): TallyMemory | null {
  if (limits.connections === null && limits.connectionsPerAddress === null) return null;
  return {
    totals: new SharedArrayBuffer(shards * 4),
    addresses: limits.connectionsPerAddress === null ? null : new SharedArrayBuffer(shards * tableWords * 4),
    seeds: [...randomFillSync(new Uint32Array(rows))],
  };
}

/** FNV-1a with a seed, then the finalizer of MurmurHash3, of which the upper bits choose the column. */
function columnOf(key: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> (32 - columnBits);
}

/**
 * Connections of all shards, in all and per address, in shared memory: no shard asks another. Each shard writes counters
 * of its own, so that those of a dead one can be cleared, and reads the sum over all.
 *
 * Addresses are counted in a count-min sketch: each has one counter in every row, which it shares with whatever other
 * addresses fall on it, and the least of them counts. That is never too low. It is too high by k only if in each of the
 * four rows others with at least k connections together share the counter. With n other addresses of one connection each
 * that happens with probability at most (n / 65,536k)^4: 1 in 1,800 for 10,000 addresses and k = 1, 1 in 1,800 for 100,000
 * and k = 10.
 */
export class ConnectionTally {
  readonly #limits: TallyLimits;
  readonly #shards: number;
  readonly #totals: Int32Array;
  readonly #addresses: Int32Array | null;
  readonly #seeds: readonly number[];

  constructor(memory: TallyMemory, limits: TallyLimits) {
    this.#limits = limits;
    this.#totals = new Int32Array(memory.totals);
    this.#shards = this.#totals.length;
    this.#addresses = memory.addresses === null ? null : new Int32Array(memory.addresses);
    this.#seeds = memory.seeds;
  }

  /** Counts one more connection of a shard, if no limit is reached. `address` in its canonical spelling. */
  enter(shard: number, address: string): Admission {
    // Add first, look after: of two that see the last place, one gets it. A refused one is seen for a moment, so that
    // another may be refused too early, but never is one too many let in.
    Atomics.add(this.#totals, shard, 1);
    const { connections, connectionsPerAddress } = this.#limits;
    if (connections !== null && this.total > connections) {
      Atomics.sub(this.#totals, shard, 1);
      return 'full';
    }
    if (this.#addresses === null || connectionsPerAddress === null) return 'admitted';
    const key = subscriberOf(address);
    this.#addAddress(this.#addresses, shard, key, 1);
    if (this.#estimate(this.#addresses, key) <= connectionsPerAddress) return 'admitted';
    this.#addAddress(this.#addresses, shard, key, -1);
    Atomics.sub(this.#totals, shard, 1);
    return 'address-full';
  }

  /** Of one that was admitted, with the same arguments. */
  leave(shard: number, address: string): void {
    Atomics.sub(this.#totals, shard, 1);
    if (this.#addresses !== null) this.#addAddress(this.#addresses, shard, subscriberOf(address), -1);
  }

  /** Forgets what a shard has counted. Only once its thread has ended. */
  clear(shard: number): void {
    Atomics.store(this.#totals, shard, 0);
    this.#addresses?.fill(0, shard * tableWords, (shard + 1) * tableWords);
  }

  get total(): number {
    let sum = 0;
    for (let shard = 0; shard < this.#shards; shard++) sum += Atomics.load(this.#totals, shard);
    return sum;
  }

  #addAddress(table: Int32Array, shard: number, key: string, amount: number): void {
    for (const [row, seed] of this.#seeds.entries()) {
      Atomics.add(table, shard * tableWords + row * columns + columnOf(key, seed), amount);
    }
  }

  #estimate(table: Int32Array, key: string): number {
    let least = Infinity;
    for (const [row, seed] of this.#seeds.entries()) {
      const place = row * columns + columnOf(key, seed);
      let sum = 0;
      for (let shard = 0; shard < this.#shards; shard++) sum += Atomics.load(table, shard * tableWords + place);
      least = Math.min(least, sum);
    }
    return least;
  }
}
