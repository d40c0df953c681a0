import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { EngineConfig } from '../../shared/config/config.ts';
import { maxConsumers } from '../../shared/ring/index.ts';
import { type Fields, urlPath, whole } from './option-fields.ts';

/** Where the engine listens, and how connections come to shards. */
export interface ListenOptions {
  readonly shards?: number;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly backlog?: number;
  readonly acceptor?: 'auto' | 'handover' | 'shard';
  readonly transport?: 'auto' | 'uws' | 'node';
  readonly placement?: { readonly by: 'connection' | 'address' };
}

const transportChoice = z.enum(['auto', 'uws', 'node']);

type ListenConfig = Pick<EngineConfig, keyof ListenOptions>;

export const listenFields: Fields<ListenOptions, ListenConfig> = {
  // Main reads the rings too, as one more consumer.
  shards: whole(1, maxConsumers - 1).default(() => Math.max(1, availableParallelism() - 1)),
  host: z.string().min(1).default('0.0.0.0'),
  port: whole(0, 65_535).default(8080),
  path: urlPath.default('/ws'),
  backlog: whole(1, 65_535).default(4096),
  acceptor: z.enum(['auto', 'handover', 'shard']).default('auto'),
  transport: transportChoice.default(() => transportChoice.catch('auto').parse(process.env['SHARDWIRE_TRANSPORT'])),
  placement: z.strictObject({ by: z.enum(['connection', 'address']) }).default({ by: 'connection' }),
};

export function compileListening(checked: ListenConfig): ListenConfig {
  const { shards, host, port, path, backlog, acceptor, transport, placement } = checked;
  return { shards, host, port, path, backlog, acceptor, transport, placement };
}
