import { z } from 'zod';
import type { EngineConfig } from '../../shared/config/config.ts';
import { connectionsThatFit, descriptorLimit } from './descriptor-limit.ts';
import { type Fields, whole } from './option-fields.ts';

/** What one connection, one address and all clients together may take. */
interface Limits {
  readonly channelsPerConnection?: number;
  readonly roomsPerConnection?: number;
  readonly channelNameBytes?: number;
  readonly malformedMessages?: number;
  readonly pendingMessages?: number;
  readonly messagesPerSecond?: number | null;
  readonly bytesPerSecond?: number | null;
  readonly connections?: number | null;
  readonly connectionsPerAddress?: number | null;
  readonly handshakeMs?: number;
  readonly pendingHandshakes?: number;
  readonly pendingHandshakesPerAddress?: number;
  /** Of the names of a connection's channels and rooms together, in UTF-8. Default 65,536. */
  readonly membershipBytes?: number;
  readonly handlerMs?: number;
}

export interface LimitOptions {
  readonly limits?: Limits;
}

type LimitConfig = Pick<EngineConfig, keyof LimitOptions>;

interface CheckedLimits extends Omit<LimitConfig['limits'], 'connections'> {
  /** Undefined: not written. */
  readonly connections?: number | null | undefined;
}

const limits = {
  channelsPerConnection: whole(1, 1_000_000).default(1_000),
  roomsPerConnection: whole(1, 1_000_000).default(1_000),
  channelNameBytes: whole(1, 4_096).default(255),
  malformedMessages: whole(1, 1_000_000).default(16),
  pendingMessages: whole(1, 1_000_000).default(1_024),
  messagesPerSecond: whole(1, 1_000_000).nullable().default(null),
  bytesPerSecond: whole(1, 1_073_741_824).nullable().default(null),
  connections: whole(1, 10_000_000).nullable().optional(),
  connectionsPerAddress: whole(1, 10_000_000).nullable().default(null),
  handshakeMs: whole(10, 600_000).default(10_000),
  pendingHandshakes: whole(1, 1_000_000).default(1_024),
  pendingHandshakesPerAddress: whole(1, 1_000_000).default(256),
  membershipBytes: whole(1, 1_073_741_824).default(65_536),
  handlerMs: whole(10, 600_000).default(30_000),
} satisfies Fields<Limits, Required<CheckedLimits>>;

export const limitFields: Fields<LimitOptions, { readonly limits: CheckedLimits }> = {
  limits: z.strictObject(limits).prefault({}),
};

export function compileLimits(checked: { readonly limits: CheckedLimits }, shards: number): LimitConfig {
  const { connections, ...others } = checked.limits;
  // Null is a choice: no limit. Only undefined gets the default.
  if (connections !== undefined) return { limits: { ...others, connections } };
  return { limits: { ...others, connections: connectionsThatFit(descriptorLimit(), shards) } };
}
