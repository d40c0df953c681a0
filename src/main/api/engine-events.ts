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
  /** A new thread has taken the place of a shard that was lost, or that `restartShard` ended. */
  'shard-restarted': [shard: number];
  /** A shard's loop has not turned for `watchdog.stalledMs`. `stack` says where it is, if that could be had. */
  stalled: [shard: number, stall: ShardStall];
  /** It turns again. */
  recovered: [shard: number, stall: { readonly blockedMs: number }];
  /** Something is wrong that no call could report. Logged as well; without a listener, only logged. */
  error: [error: EngineError];
}
