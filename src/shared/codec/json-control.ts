import type { ControlDecoder, RoomMessage } from './control.ts';
import { JsonMembers, noMember } from './json-members.ts';
import { isJson } from './json-scan.ts';

const channelMembers: JsonMembers = new JsonMembers(['channel']);
const roomMembers: JsonMembers = new JsonMembers(['room_id']);
const roomMessageMembers: JsonMembers = new JsonMembers(['room_id', 'data', 'data_base64']);

/**
 * Control data as JSON: `{"channel":"news"}`, `{"room_id":"r"}`, `{"room_id":"r","data":…}`. json, flatbuffers and
 * msgpack use it. Keys and `data_base64` follow the same rules as in an envelope.
 */
export const jsonControl: ControlDecoder = Object.freeze({
  decodeChannel(data: Uint8Array | null): string | undefined {
    return readName(channelMembers, data);
  },

  decodeRoomId(data: Uint8Array | null): string | undefined {
    return readName(roomMembers, data);
  },

  decodeRoomMessage(data: Uint8Array | null): RoomMessage | undefined {
    if (data === null) return undefined;
    try {
      return readRoomMessage(data);
    } catch {
      // Only ERR_MESSAGE_MALFORMED can come from there, and the caller asked for undefined instead.
      return undefined;
    }
  },
});

/** The text of the only name that `members` looks for, or undefined if it is empty or the document is malformed. */
function readName(members: JsonMembers, data: Uint8Array | null): string | undefined {
  if (data === null) return undefined;
  try {
    let name = '';
    if (members.open(data)) {
      while (members.next() !== noMember) name = members.text(name);
    }
    return name === '' ? undefined : name;
  } catch {
    // As above.
    return undefined;
  }
}

function readRoomMessage(bytes: Uint8Array): RoomMessage | undefined {
  const members = roomMessageMembers;
  let roomId = '';
  let embedded: Uint8Array | null = null;
  let binary: Uint8Array | null = null;
  if (members.open(bytes)) {
    for (let member = members.next(); member !== noMember; member = members.next()) {
      if (member === 0) roomId = members.text(roomId);
      else if (member === 1) embedded = members.raw();
      else binary = members.base64(binary);
    }
  }
  if (roomId === '') return undefined;
  if (embedded !== null || binary === null) return { roomId, data: embedded, dataIsJson: true };
  return { roomId, data: binary, dataIsJson: isJson(binary) };
}
