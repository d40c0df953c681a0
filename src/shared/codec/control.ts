/** The `data` of a message to a room. */
export interface RoomMessage {
  /** Never ''. */
  roomId: string;
  /** The payload's bytes (a view of the bytes given, or fresh ones), or null for nil. */
  data: Uint8Array | null;
  /** As `Envelope.dataIsJson`, here always known. */
  dataIsJson: boolean;
}

/**
 * Reads the `data` of control messages. Its form follows the codec: JSON for json, flatbuffers and msgpack, small
 * Protobuf messages for protobuf. Nothing here throws: undefined means "empty or undecodable".
 */
export interface ControlDecoder {
  /** The channel of `subscribe` and `unsubscribe`; never ''. */
  decodeChannel(data: Uint8Array | null): string | undefined;
  /** The room of `join_room` and `leave_room`; never ''. */
  decodeRoomId(data: Uint8Array | null): string | undefined;
  /** A room and the message for it. */
  decodeRoomMessage(data: Uint8Array | null): RoomMessage | undefined;
}
