import type { Envelope } from '../../shared/codec/index.ts';
import { type EngineError, type ErrorCode, refusalOf } from '../../shared/errors/index.ts';
import type { AudienceKind, NamedAudienceKind } from '../../shared/message/names.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { Action } from '../handlers/api.ts';

/** What a control message asks for. */
export type Command =
  | { readonly do: 'join'; readonly kind: NamedAudienceKind; readonly name: string; readonly action: Action }
  | { readonly do: 'leave'; readonly kind: NamedAudienceKind; readonly name: string }
  | {
      readonly do: 'publish';
      readonly to: AudienceKind;
      readonly name: string;
      readonly envelope: Envelope;
      readonly action: Action;
    };

function missing(code: ErrorCode, text: string): EngineError {
  return refusalOf(code, text);
}

function channelOf(connection: ShardConnection, envelope: Envelope): string {
  const channel = connection.codecImpl.control.decodeChannel(envelope.data);
  if (channel === undefined) throw missing('ERR_CHANNEL_INVALID', 'data must be {"channel": "<name>"}');
  return channel;
}

function roomOf(connection: ShardConnection, envelope: Envelope): string {
  const room = connection.codecImpl.control.decodeRoomId(envelope.data);
  if (room === undefined) throw missing('ERR_ROOM_INVALID', 'data must be {"room_id": "<id>"}');
  return room;
}

/**
 * Reads a control message (checklist H-40, H-46 to H-49, H-08). Undefined: the type has no built-in meaning. Throws an
 * `EngineError` whose code and text are for the client.
 */
export function readCommand(connection: ShardConnection, envelope: Envelope): Command | undefined {
  switch (envelope.type) {
    case 'subscribe':
      return { do: 'join', kind: 'channel', name: channelOf(connection, envelope), action: 'subscribe' };
    case 'unsubscribe':
      return { do: 'leave', kind: 'channel', name: channelOf(connection, envelope) };
    case 'join_room':
      return { do: 'join', kind: 'room', name: roomOf(connection, envelope), action: 'join' };
    case 'leave_room':
      return { do: 'leave', kind: 'room', name: roomOf(connection, envelope) };
    case 'publish': {
      if (envelope.channel === '') throw missing('ERR_CHANNEL_INVALID', 'publish needs the channel in the envelope');
      const name = envelope.channel;
      return { do: 'publish', to: 'channel', name, envelope: { ...envelope, type: 'message' }, action: 'publish' };
    }
    case 'broadcast':
      return { do: 'publish', to: 'everyone', name: '', envelope, action: 'broadcast' };
    case 'room': {
      const message = connection.codecImpl.control.decodeRoomMessage(envelope.data);
      if (message === undefined) {
        throw missing('ERR_ROOM_INVALID', 'data must be {"room_id": "<id>", "data": <any>}');
      }
      const { roomId, data, dataIsJson } = message;
      const forRoom = { ...envelope, channel: roomId, data, dataIsJson };
      return { do: 'publish', to: 'room', name: roomId, envelope: forRoom, action: 'room' };
    }
    default:
      return undefined;
  }
}
