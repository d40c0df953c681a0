import type { CodecName } from '../codec/index.ts';
import type { AudienceKind } from '../message/names.ts';

/**
 * What a record is, as the number that it has in a ring. A message for an audience goes to all shards. A message for one
 * connection, and the order to close one, go to the shard of that connection. Notices go from a shard to main.
 */
export const recordKind: Readonly<
  Record<AudienceKind | 'connection' | 'disconnect' | 'connectNotice' | 'messageNotice' | 'disconnectNotice', number>
> = Object.freeze({
  channel: 1,
  room: 2,
  everyone: 3,
  connection: 4,
  disconnect: 5,
  connectNotice: 6,
  messageNotice: 7,
  disconnectNotice: 8,
});

/** Has a shard close one of its connections. */
export interface DisconnectOrder {
  readonly id: string;
  readonly code: number;
  readonly reason: string;
}

/** Tells main of a connection that was opened. */
export interface ConnectNotice {
  readonly id: string;
  readonly name: string;
  readonly codec: CodecName;
  readonly remoteAddress: string;
}

/** Tells main of a connection that has ended. */
export interface DisconnectNotice {
  readonly id: string;
  readonly code: number;
  readonly reason: string;
}
