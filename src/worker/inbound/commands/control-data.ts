import type { Envelope } from '../../../shared/codec/index.ts';
import { refusalOf } from '../../../shared/errors/index.ts';
import type { ShardConnection } from '../../connection/shard-connection.ts';

/** The channel in the data of a control message. Throws `ERR_CHANNEL_INVALID`. */
export function readChannel(connection: ShardConnection, { data }: Envelope): string {
  const channel = connection.codecImpl.control.decodeChannel(data);
  if (channel === undefined) throw refusalOf('ERR_CHANNEL_INVALID', 'data must be {"channel": "<name>"}');
  return channel;
}

/** The room in the data of a control message. Throws `ERR_ROOM_INVALID`. */
export function readRoom(connection: ShardConnection, { data }: Envelope): string {
  const room = connection.codecImpl.control.decodeRoomId(data);
  if (room === undefined) throw refusalOf('ERR_ROOM_INVALID', 'data must be {"room_id": "<id>"}');
  return room;
}
