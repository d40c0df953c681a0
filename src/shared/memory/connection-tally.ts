import { randomFillSync } from 'node:crypto';
import { subscriberOf } from '../base/ip-address.ts';

/** Shared memory of a tally. Structured-cloneable. */
export interface TallyMemory {
  /** Connections per shard. */
  readonly totals: SharedArrayBuffer;
  /** A table of `rows` × `columns` counters per shard; null: addresses are not limited. */
  readonly addresses: SharedArrayBuffer | null;
  /** A random seed per row, so that nobody outside can tell which addresses share a counter. */
  readonly seeds: readonly number[];
}

export interface TallyLimits {
  readonly connections: number | null;
  readonly connectionsPerAddress: number | null;
}

/** The verdict: admitted, or the limit that is reached. */
export type Admission = 'admitted' | 'full' | 'address-full';

const rows = 4;
const columns = 65_536;
const columnBits = 16;
const tableWords = rows * columns;

/** Null: nothing is limited, so nothing is counted. */
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
 * Counts the connections of all shards, in total and per address, in shared memory: no shard asks another. Each shard
 * writes counters of its own, so that the counters of a dead shard can be cleared, and reads the sum over all shards.
 *
 * Addresses are counted in a count-min sketch. An address has one counter in each row, shared with the other addresses
 * that hash to it. The smallest of its counters is its count. The count is never too low. It is too high by k only if
 * in each of the four rows other addresses with at least k connections together share the counter. With n other
 * addresses of one connection each this has a probability of at most (n / 65,536k)^4: 1 in 1,800 for 10,000 addresses
 * and k = 1, 1 in 1,800 for 100,000 and k = 10.
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

  /** Counts one more connection of a shard if no limit is reached. `address` is in its canonical spelling. */
  enter(shard: number, address: string): Admission {
    // Add first, then compare: of two threads that see the last place, one gets it. A refused connection is counted for
    // a moment, so another may be refused too early, but never is one too many admitted.
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

  /** Uncounts an admitted connection. Takes the same arguments. */
  leave(shard: number, address: string): void {
    Atomics.sub(this.#totals, shard, 1);
    if (this.#addresses !== null) this.#addAddress(this.#addresses, shard, subscriberOf(address), -1);
  }

  /** Clears the counters of a shard. Call it only after its thread has ended. */
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
