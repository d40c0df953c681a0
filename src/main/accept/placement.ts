import { randomBytes } from 'node:crypto';

/** What the placement of a connection depends on: its remote address and port. */
export interface Origin {
  readonly address: string;
  readonly port: number;
}

/** Chooses one of `shards` for an origin; -1 if there is none. Pure. */
export type Place = (origin: Origin, shards: readonly number[]) => number;

/** 32-bit finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Rendezvous hashing: every shard has a score for every origin, and the highest score wins. When a shard goes, only its
 * own keys move, because for other keys the winner stays. The seed is random per process, so outsiders cannot compute
 * the scores. `by: 'address'` leaves the port out: all connections of one address share a shard.
 */
export function createPlacement(by: 'connection' | 'address', seed: Uint8Array = randomBytes(8)): Place {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
  const seedA = view.getUint32(0);
  const seedB = view.getUint32(4);
  return ({ address, port }, shards) => {
    let key = seedA;
    for (let i = 0; i < address.length; i++) key = Math.imul(key ^ address.charCodeAt(i), 0x01000193);
    if (by === 'connection') key = mix(key ^ port);
    let best = -1;
    let bestScore = -1;
    for (const shard of shards) {
      const score = mix(mix(key ^ seedB) ^ Math.imul(shard + 1, 0x9e3779b1));
      if (score > bestScore) {
        best = shard;
        bestScore = score;
      }
    }
    return best;
  };
}
