import { cFunction } from '../../shared/base/c-library.ts';

/** `RLIMIT_NOFILE` of the C library. */
const openFiles: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 7, darwin: 8 };

/** A limit above this means that there is none, or that other bounds of the system are reached first. */
const unbounded = 1_000_000_000;
/** The part of the limit that connections may use. The rest is for files, logs and what else the program opens. */
const share = 0.8;
/** Descriptors that are open without any connection. Measured: about 20 for Node and 12 for each shard. */
const ownDescriptors = 40;
const shardDescriptors = 16;

/** The greatest value of the option `limits.connections`. */
const greatest = 10_000_000;

/**
 * How many descriptors the process may have open: the soft limit, which Node raises to the hard one at its start. Null:
 * there is no limit, or the engine cannot ask for it (Windows).
 */
export function descriptorLimit(): number | null {
  const resource = openFiles[process.platform];
  const getLimit = resource === undefined ? null : cFunction('int getrlimit(int, void *)');
  if (getLimit === null) return null;
  const limits = new BigUint64Array(2);
  if (getLimit(resource, limits) !== 0) return null;
  const soft = Number(limits[0]);
  return soft > 0 && soft < unbounded ? soft : null;
}

/** The default of `limits.connections`: how many connections fit into this limit, besides the engine's own descriptors. */
export function connectionsThatFit(limit: number | null, shards: number): number | null {
  if (limit === null) return null;
  const own = ownDescriptors + shardDescriptors * shards;
  return Math.min(greatest, Math.max(1, Math.min(Math.floor(limit * share), limit - own)));
}
