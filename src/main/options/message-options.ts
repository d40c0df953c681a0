import { totalmem } from 'node:os';
import { z } from 'zod';
import type { EngineConfig } from '../../shared/config/config.ts';
import { optionNotAllowed } from './option-error.ts';
import { type Fields, whole } from './option-fields.ts';

/** How messages are handled, and how connections are kept alive and closed. */
export interface MessageOptions {
  readonly replies?: 'off' | 'errors' | 'all';
  readonly handlers?: URL | string;
  readonly maxMessageBytes?: number;
  readonly maxBackpressureBytes?: number;
  /** Unsent bytes of all connections of one shard. Default: a quarter of the memory, divided by the number of shards. */
  readonly maxShardBackpressureBytes?: number;
  readonly slowConsumer?: 'disconnect' | 'drop';
  readonly heartbeat?: { readonly pingPeriodMs?: number; readonly pongWaitMs?: number } | false;
  readonly writeWaitMs?: number;
  readonly compression?: boolean | { readonly level?: number; readonly thresholdBytes?: number };
}

type MessageConfig = Pick<EngineConfig, keyof MessageOptions>;

/** The options after the check of each by itself. */
interface CheckedMessages
  extends Omit<MessageConfig, 'handlers' | 'heartbeat' | 'compression' | 'maxShardBackpressureBytes'> {
  readonly handlers: string | undefined;
  readonly maxShardBackpressureBytes: number | undefined;
  readonly heartbeat: false | NonNullable<MessageConfig['heartbeat']>;
  readonly compression: boolean | { readonly level?: number | undefined; readonly thresholdBytes?: number | undefined };
}

const greatestMessageBytes = 67_108_864;
const leastShardBackpressureBytes = 65_536;
const compressionDefaults = { level: 1, thresholdBytes: 1_024 };

const handlersUrl = z
  .union([z.instanceof(URL), z.string()])
  .refine((value) => URL.canParse(String(value)), 'a URL, such as new URL("./handlers.js", import.meta.url)')
  .transform((value) => new URL(value).href);

export const messageFields: Fields<MessageOptions, CheckedMessages> = {
  replies: z.enum(['off', 'errors', 'all']).default('errors'),
  handlers: handlersUrl.optional(),
  maxMessageBytes: whole(128, greatestMessageBytes).default(524_288),
  maxBackpressureBytes: whole(1_024, 1_073_741_824).default(1_048_576),
  maxShardBackpressureBytes: whole(leastShardBackpressureBytes, 1_099_511_627_776).optional(),
  slowConsumer: z.enum(['disconnect', 'drop']).default('disconnect'),
  heartbeat: z
    .union([
      z.literal(false),
      z.strictObject({
        pingPeriodMs: whole(10, 600_000).default(54_000),
        pongWaitMs: whole(20, 900_000).default(60_000),
      }),
    ])
    .prefault({}),
  writeWaitMs: whole(1, 600_000).default(10_000),
  compression: z
    .union([
      z.boolean(),
      z.strictObject({
        level: whole(1, 9).optional(),
        thresholdBytes: whole(0, greatestMessageBytes).optional(),
      }),
    ])
    .default(false),
};

/** The memory of the machine, or what the control group leaves to this process, in bytes. */
function memoryBytes(): number {
  // 0, or more than the machine has: there is no bound.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function defaultShardBackpressureBytes(shards: number): number {
  return Math.max(leastShardBackpressureBytes, Math.floor(memoryBytes() / 4 / shards));
}

function compileCompression({ compression: given, maxMessageBytes }: CheckedMessages): MessageConfig['compression'] {
  if (given === false) return null;
  const written = given === true ? {} : given;
  const level = written.level ?? compressionDefaults.level;
  const thresholdBytes = written.thresholdBytes ?? Math.min(compressionDefaults.thresholdBytes, maxMessageBytes);
  if (thresholdBytes <= maxMessageBytes) return { level, thresholdBytes };
  const allowed = `at most ${maxMessageBytes} (maxMessageBytes)`;
  throw optionNotAllowed('compression.thresholdBytes', thresholdBytes, allowed);
}

function compileHeartbeat({ heartbeat }: CheckedMessages): MessageConfig['heartbeat'] {
  if (heartbeat === false) return null;
  const { pingPeriodMs, pongWaitMs } = heartbeat;
  if (pongWaitMs > pingPeriodMs) return heartbeat;
  const allowed = `more than ${pingPeriodMs} (heartbeat.pingPeriodMs)`;
  throw optionNotAllowed('heartbeat.pongWaitMs', pongWaitMs, allowed);
}

export function compileMessages(checked: CheckedMessages, shards: number): MessageConfig {
  const { replies, handlers, maxMessageBytes, maxBackpressureBytes, slowConsumer, writeWaitMs } = checked;
  return {
    replies,
    handlers: handlers ?? null,
    maxMessageBytes,
    maxBackpressureBytes,
    maxShardBackpressureBytes: checked.maxShardBackpressureBytes ?? defaultShardBackpressureBytes(shards),
    slowConsumer,
    compression: compileCompression(checked),
    heartbeat: compileHeartbeat(checked),
    writeWaitMs,
  };
}
