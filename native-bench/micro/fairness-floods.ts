import { createCipheriv, randomBytes } from 'node:crypto';
import { constants, deflateRawSync } from 'node:zlib';

/** What floods and bystanders of the fairness bench send. */

export const sealKey: Uint8Array = Buffer.alloc(32, 7);

const binary = 0x2;
const text = 0x1;
const ping = 0x9;
const pong = 0xa;
const finBit = 0x80;
const deflatedBit = 0x40;
const maskBit = 0x80;

/** A client's frame, masked with zeros, so that its payload stands there as it is. `bits` go with the opcode. */
export function frame(bits: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const mask = [0, 0, 0, 0];
  let head: Buffer;
  if (length < 126) head = Buffer.from([bits, maskBit | length, ...mask]);
  else if (length < 65_536) head = Buffer.from([bits, maskBit | 126, length >> 8, length & 255, ...mask]);
  else {
    head = Buffer.from([bits, maskBit | 127, 0, 0, 0, 0, 0, 0, 0, 0, ...mask]);
    head.writeUInt32BE(length, 6);
  }
  return Buffer.concat([head, payload]);
}

function textFrame(message: string): Buffer {
  return frame(finBit | text, Buffer.from(message));
}

/** As docs/protocol.md has it for one AES key: nonce, encrypted message, tag. */
export function sealedFrame(message: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealKey, nonce);
  const body = Buffer.concat([nonce, cipher.update(message), cipher.final(), cipher.getAuthTag()]);
  return frame(finBit | binary, body);
}

/** permessage-deflate, as good without the messages before. */
function deflatedFrame(message: string): Buffer {
  const flushed = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH });
  return frame(finBit | deflatedBit | text, flushed.subarray(0, -4));
}

export type FloodKind =
  | 'none'
  | 'small messages'
  | 'pings'
  | 'pongs'
  | 'fragments'
  | 'unknown type'
  | 'not allowed'
  | 'malformed'
  | 'deflated'
  | 'sealed publishes';

const publishOf = (bytes: number): string => JSON.stringify({ type: 'publish', channel: 'x', data: 'a'.repeat(bytes) });

/** What is sent again and again. */
const repeated: Readonly<Record<FloodKind, () => Buffer>> = {
  none: () => Buffer.alloc(0),
  'small messages': () => textFrame(publishOf(1)),
  pings: () => frame(finBit | ping, Buffer.alloc(0)),
  pongs: () => frame(finBit | pong, Buffer.alloc(0)),
  fragments: () =>
    Buffer.concat([
      frame(text, Buffer.from('{')),
      ...Array.from({ length: 1_000 }, () => frame(0, Buffer.from(' '))),
      frame(finBit, Buffer.from('"type":"x"}')),
    ]),
  'unknown type': () => textFrame('{"type":"x"}'),
  'not allowed': () => textFrame('{"type":"broadcast"}'),
  malformed: () => textFrame('{'),
  deflated: () => deflatedFrame(publishOf(100_000)),
  'sealed publishes': () => sealedFrame(publishOf(182_000)),
};

export const floodKinds = Object.keys(repeated) as readonly FloodKind[];

const chunkBytes = 65_536;

/** About 64 KiB of a flood. */
export function chunkOf(kind: FloodKind): Buffer {
  const one = repeated[kind]();
  const count = Math.max(1, Math.floor(chunkBytes / Math.max(1, one.length)));
  return Buffer.concat(new Array<Buffer>(count).fill(one));
}

export const handshake: string = [
  'GET /ws HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover',
  '\r\n',
].join('\r\n');
