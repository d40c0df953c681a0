import { EngineError } from '../../shared/errors/index.ts';

const maxGraceMs = 600_000;

/** Throws `ERR_OPTION_INVALID` unless this is a grace period. */
export function checkGrace(graceMs: number): void {
  if (Number.isFinite(graceMs) && graceMs >= 0 && graceMs <= maxGraceMs) return;
  const allowed = `0 to ${maxGraceMs} milliseconds`;
  throw new EngineError('ERR_OPTION_INVALID', `option "graceMs" is ${graceMs}; allowed: ${allowed}`, {
    path: 'graceMs',
    given: graceMs,
    allowed,
  });
}

/** Throws `ERR_OPTION_INVALID` unless this is the number of a shard. */
export function checkShard(shard: number, shards: number): void {
  if (Number.isInteger(shard) && shard >= 0 && shard < shards) return;
  const allowed = `a whole number from 0 to ${shards - 1}`;
  throw new EngineError('ERR_OPTION_INVALID', `"shard" is ${String(shard)}; allowed: ${allowed}`, {
    path: 'shard',
    given: shard,
    allowed,
  });
}
