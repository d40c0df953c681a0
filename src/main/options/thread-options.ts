import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { EngineConfig, RestartConfig } from '../../shared/config/config.ts';
import type { OffloadConfig } from '../../shared/config/offload.ts';
import { maxRingBytes, minRingBytes } from '../../shared/ring/index.ts';
import { optionNotAllowed } from './option-error.ts';
import { type Fields, whole } from './option-fields.ts';

export interface OffloadOptions {
  readonly threads?: number;
  readonly maxQueue?: number;
  readonly timeoutMs?: number;
  readonly thresholdBytes?: {
    readonly seal?: number;
    readonly open?: number;
    readonly deflate?: number;
    readonly inflate?: number;
  };
}

export interface RestartOptions {
  readonly maxRestarts?: number;
  readonly windowMs?: number;
  readonly backoffMs?: number;
  readonly maxBackoffMs?: number;
}

/** The rings between threads, the pool for large work, and what happens to shards that fail. */
export interface ThreadOptions {
  readonly ring?: { readonly bytes?: number; readonly spillBytes?: number };
  readonly offload?: false | OffloadOptions;
  readonly restart?: false | RestartOptions;
  readonly watchdog?: false | { readonly stalledMs?: number };
  readonly maxShardHeapBytes?: number | false;
}

type ThreadConfig = Pick<EngineConfig, keyof ThreadOptions>;

interface CheckedOffload extends Omit<OffloadConfig, 'threads'> {
  readonly threads?: number | undefined;
}

interface CheckedThreads extends Pick<ThreadConfig, 'ring'> {
  readonly offload: false | CheckedOffload;
  readonly restart: false | RestartConfig;
  readonly watchdog: false | NonNullable<ThreadConfig['watchdog']>;
  readonly maxShardHeapBytes: number | false | undefined;
}

const thresholdBytes = {
  seal: whole(0, 67_108_864).default(65_536),
  open: whole(0, 67_108_864).default(65_536),
  deflate: whole(0, 67_108_864).default(16_384),
  inflate: whole(0, 67_108_864).default(16_384),
} satisfies Fields<NonNullable<OffloadOptions['thresholdBytes']>, OffloadConfig['thresholdBytes']>;

const offload = {
  threads: whole(0, 64).optional(),
  maxQueue: whole(1, 65_536).default(64),
  timeoutMs: whole(10, 600_000).default(5_000),
  thresholdBytes: z.strictObject(thresholdBytes).prefault({}),
} satisfies Fields<OffloadOptions, Required<CheckedOffload>>;

const restart = {
  maxRestarts: whole(0, 1_000).default(5),
  windowMs: whole(1_000, 86_400_000).default(60_000),
  backoffMs: whole(0, 600_000).default(100),
  maxBackoffMs: whole(0, 600_000).default(5_000),
} satisfies Fields<RestartOptions, RestartConfig>;

const ring = {
  bytes: whole(Math.max(minRingBytes, 65_536), maxRingBytes)
    .refine((bytes) => (bytes & (bytes - 1)) === 0, 'a power of two')
    .default(4_194_304),
  spillBytes: whole(1_048_576, 1_073_741_824).default(67_108_864),
} satisfies Fields<NonNullable<ThreadOptions['ring']>, ThreadConfig['ring']>;

export const threadFields: Fields<ThreadOptions, CheckedThreads> = {
  ring: z.strictObject(ring).prefault({}),
  offload: z.union([z.literal(false), z.strictObject(offload)]).prefault({}),
  restart: z.union([z.literal(false), z.strictObject(restart)]).prefault({}),
  watchdog: z.union([z.literal(false), z.strictObject({ stalledMs: whole(50, 600_000).default(5_000) })]).prefault({}),
  maxShardHeapBytes: z.union([z.literal(false), whole(16_777_216, 1_099_511_627_776)]).optional(),
};

/** By default one thread for each processor that runs neither a shard nor main, and at least one. */
function compileOffload(given: CheckedThreads['offload'], shards: number): OffloadConfig {
  const threads = Math.max(1, availableParallelism() - shards - 1);
  if (given !== false) return { ...given, threads: given.threads ?? threads };
  return { threads: 0, maxQueue: 1, timeoutMs: 1, thresholdBytes: { seal: 0, open: 0, deflate: 0, inflate: 0 } };
}

/** Throws `ERR_OPTION_INVALID` if a ring's spill queue could not hold four of the largest messages. */
export function checkSpill({ ring: { spillBytes } }: Pick<CheckedThreads, 'ring'>, maxMessageBytes: number): void {
  const least = maxMessageBytes * 4;
  if (spillBytes >= least) return;
  throw optionNotAllowed('ring.spillBytes', spillBytes, `at least ${least}`, 'at least four times maxMessageBytes');
}

export function compileThreads(checked: CheckedThreads, shards: number): ThreadConfig {
  return {
    ring: checked.ring,
    offload: compileOffload(checked.offload, shards),
    restart: checked.restart === false ? null : checked.restart,
    watchdog: checked.watchdog === false ? null : checked.watchdog,
    maxShardHeapBytes: checked.maxShardHeapBytes ?? null,
  };
}
