import { badFormat, optionInvalid } from './failures.ts';

/**
 * Frames of versions 2 and 3: `version, flags, key id, counter` in clear, then the body. The server's first frame, the
 * hello, has the connection's id in clear in front of the body. Key id, counter, direction, connection id and the
 * client's nonce are authenticated with the body, so a frame is valid in one place only. Version 3 differs from version
 * 2 in its number and in its keys, which are derived, see derived-keys.ts.
 */

export type FrameVersion = 2 | 3;

export const headerBytes = 11;
export const clientNonceBytes = 16;
const helloBit = 1;
const fromServer = 0x73;
const fromClient = 0x63;
const counterOffset = 3;
const word = 2 ** 32;
const largestId = 255;

export type Direction = 'from server' | 'from client';

/** What the frames of one direction of one connection are bound to: their AAD with an empty header. */
export function bindingOf(direction: Direction, id: Uint8Array, clientNonce: Uint8Array): Uint8Array {
  const binding = new Uint8Array(headerBytes + 2 + id.length + clientNonce.length);
  binding[headerBytes] = direction === 'from server' ? fromServer : fromClient;
  binding[headerBytes + 1] = id.length;
  binding.set(id, headerBytes + 2);
  binding.set(clientNonce, headerBytes + 2 + id.length);
  return binding;
}

/** The AAD of one frame. */
export function aadOf(binding: Uint8Array, header: Uint8Array): Uint8Array {
  const aad = new Uint8Array(binding.length);
  aad.set(binding);
  aad.set(header);
  return aad;
}

export function headerOf(version: FrameVersion, isHello: boolean, keyId: number, counter: number): Uint8Array {
  const header = new Uint8Array(headerBytes);
  header[0] = version;
  header[1] = isHello ? helloBit : 0;
  header[2] = keyId;
  writeWord(header, counterOffset, Math.floor(counter / word));
  writeWord(header, counterOffset + 4, counter >>> 0);
  return header;
}

function writeWord(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** What stands before the connection id and the body. */
export interface FrameHead {
  readonly isHello: boolean;
  readonly keyId: number;
  readonly counter: number;
}

export function readHead(frame: Uint8Array, version: FrameVersion): FrameHead {
  if (frame.length < headerBytes) throw badFormat(`a frame has at least ${headerBytes} bytes, got ${frame.length}`);
  if (frame[0] !== version) throw badFormat(`its version is ${frame[0]}, not ${version}`);
  const flags = frame[1] as number;
  if (flags > helloBit) throw badFormat(`its flags are ${flags}, which mean nothing`);
  const counter = readWord(frame, counterOffset) * word + readWord(frame, counterOffset + 4);
  if (counter > Number.MAX_SAFE_INTEGER) throw badFormat('its counter is above 2^53 - 1');
  return { isHello: flags === helloBit, keyId: frame[2] as number, counter };
}

function readWord(source: Uint8Array, at: number): number {
  const high = ((source[at] as number) << 8) | (source[at + 1] as number);
  return high * 0x1_0000 + (((source[at + 2] as number) << 8) | (source[at + 3] as number));
}

/** The bytes of the connection id in a hello: a view. */
export function readHelloId(frame: Uint8Array): Uint8Array {
  const length = frame[headerBytes] ?? 0;
  const id = frame.subarray(headerBytes + 1, headerBytes + 1 + length);
  if (length === 0 || id.length < length || id.some((byte) => byte >= 0x80)) {
    throw badFormat('its connection id is not 1 to 255 bytes of ASCII');
  }
  return id;
}

/** The bytes of a connection id; the server's own ids are checked by this. */
export function connectionIdBytes(id: string): Uint8Array {
  const isGood = typeof id === 'string' && id.length > 0 && id.length <= largestId;
  const bytes = isGood ? Uint8Array.from(id, (letter) => Math.min(letter.charCodeAt(0), 0xff)) : new Uint8Array(1);
  if (!isGood || bytes.some((byte) => byte >= 0x80)) {
    throw optionInvalid('connectionId', id, 'a text of 1 to 255 ASCII characters');
  }
  return bytes;
}
