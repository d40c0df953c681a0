import { randomBytes } from 'node:crypto';
import { codecByName, type Envelope } from '#dist/shared/codec/index.js';

/**
 * What an attacker without a key makes of frames that were recorded: data that others seal for it, and that is a message
 * of its own once the frame is read in another form or another codec.
 */

function codecOf(name: string) {
  const codec = codecByName(name);
  if (codec === undefined) throw new Error(`there is no codec ${name}`);
  return codec;
}

/** What the attacker wants the server to believe. */
export const forgery: Envelope = {
  type: 'publish',
  channel: 'forged',
  data: Buffer.from('"forged"'),
  timestamp: 0n,
  clientId: '',
  id: 0,
  offset: 0,
};

/** What a server sends to the room `lobby` with this data, as it is encoded. */
function published(codec: string, data: Uint8Array): Uint8Array {
  return codecOf(codec).encode({ type: 'room', channel: 'lobby', data, timestamp: 1n << 60n, clientId: '' });
}

/** Where the data begins in that message. */
function dataStart(codec: string, data: Uint8Array): number {
  return Buffer.from(published(codec, data)).indexOf(data.subarray(0, 64));
}

function rootOf(message: Uint8Array): number {
  return Buffer.from(message).readUInt32LE(0);
}

/** The forged message put so that its root table is at `table` of a plaintext in which the data begins at `start`. */
function dataWithTableAt(table: number, start: number, length: number): Uint8Array {
  const message = codecOf('flatbuffers').encode(forgery);
  const data = randomBytes(length);
  data.set(message, table - rootOf(message) - start);
  return data;
}

/**
 * Data for `lobby` in FlatBuffers: the flag byte in front of the message shifts its root offset to 256 times what it was,
 * which is in the data. It does not compress, or the flag would be another.
 */
export function dataBehindFlag(length = 16_384): Uint8Array {
  const like = randomBytes(length);
  const root = rootOf(published('flatbuffers', like));
  return dataWithTableAt(root * 256, dataStart('flatbuffers', like) + 1, length);
}

/**
 * Data for `lobby` in FlatBuffers behind the additional data of version 2, which begins with `02 00 keyId 00`: a root offset.
 */
export function dataBehindHeader(aadBytes: number, keyId: number): Uint8Array {
  const length = (keyId + 1) * 65_536;
  const like = randomBytes(length);
  return dataWithTableAt(keyId * 65_536 + 2, aadBytes + 1 + dataStart('flatbuffers', like), length);
}

/** A field of Protobuf that takes all the bytes up to the end of the message, `rest` of them. */
function lastField(rest: number): Uint8Array {
  return Buffer.of(0x7a, rest);
}

/**
 * Data for `lobby` in MessagePack: read as Protobuf, the envelope before it is unknown fields, of which the last ends in
 * the data, and the data goes on with fields that are known.
 */
export function dataBehindMap(): Uint8Array {
  const like = randomBytes(240);
  const message = Buffer.from(published('msgpack', like));
  const start = message.indexOf(like);
  const rest = message.length - start - like.length;
  const forged = codecOf('protobuf').encode(forgery);
  for (let skipped = 0; skipped < like.length - forged.length - 2; skipped++) {
    const filler = Buffer.alloc(like.length - skipped - forged.length - 2);
    const end = lastField(filler.length + rest);
    const data = Buffer.concat([Buffer.alloc(skipped, 0x61), forged, end, filler]);
    try {
      if (codecOf('protobuf').decode(published('msgpack', data)).channel === forgery.channel) return data;
    } catch {
      // The field before did not end here.
    }
  }
  throw new Error('MessagePack cannot be read as Protobuf');
}
