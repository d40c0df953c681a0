import type { EngineError } from '../../shared/errors/index.ts';
import type { ReceivedMessage } from '../../shared/message/message.ts';
import type { ShardStall } from '../watch/shard-watch.ts';
import type { NewConnection, RemoteConnection } from './remote-connection.ts';

export interface EngineEvents {
  connect: [connection: NewConnection];
  message: [connection: RemoteConnection, message: ReceivedMessage];
  disconnect: [connection: RemoteConnection, code: number, reason: string];
  /** A shard's thread has ended without being asked to; its connections are gone. */
  'shard-lost': [shard: number, error: EngineError];
  /** A new thread has replaced a shard that was lost or that `restartShard` ended. */
  'shard-restarted': [shard: number];
  /** A shard's loop has not turned for `watchdog.stalledMs`. `stack` shows where it is, if that could be read. */
  stalled: [shard: number, stall: ShardStall];
  /** The shard's loop turns again. */
  recovered: [shard: number, stall: { readonly blockedMs: number }];
  /** A fault that no call could report. It is logged as well; without a listener it is only logged. */
  error: [error: EngineError];
}
