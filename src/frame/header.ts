import { EngineError } from '../shared/errors/index.ts';

/** A frame's header (RFC 6455 section 5.2), as it is on the wire. */
export interface FrameHeader {
  fin: boolean;
  /** The reserved bits in place: RSV1 is 0x40, RSV2 0x20, RSV3 0x10. */
  rsv: number;
  opcode: number;
  masked: boolean;
  /** The key's four bytes as a little-endian 32-bit number, that is the first one lowest; 0 if not masked. */
  maskKey: number;
  /** Bytes of payload. */
  length: number;
}

/** A header that was read, and how long it was: longer than `headerSize` says if its length is not in the shortest form. */
export interface ReadHeader extends FrameHeader {
  headerBytes: number;
}

export const minHeaderBytes = 2;
export const maxHeaderBytes = 14;

/** The key that stands at `bytes[at …]`. */
export function readMaskKey(bytes: Uint8Array, at = 0): number {
  return (
    (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24) | 0
  );
}

/** Bytes that `writeHeader` writes: the shortest form of the length. */
export function headerSize(length: number, masked: boolean): number {
  return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (masked ? 4 : 0);
}

/**
 * Reads into `header` what is in `bytes[at … end]`. 0: there is not the whole header yet. Otherwise its size.
 * Throws for a length of 2^63 or more, which RFC 6455 forbids, and of 2^53 or more, which no number here can
 * hold.
 */
export function parseHeader(bytes: Uint8Array, at: number, end: number, header: ReadHeader): number {
  if (end - at < minHeaderBytes) return 0;
  const first = bytes[at] as number;
  const second = bytes[at + 1] as number;
  const short = second & 0x7f;
  const masked = second >= 0x80;
  let next = at + 2;
  let length = short;
  if (short === 126) {
    next += 2;
    if (end < next) return 0;
    length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  } else if (short === 127) {
    next += 8;
    if (end < next) return 0;
    length = longLength(bytes, at + 2);
  }
  header.maskKey = 0;
  if (masked) {
    if (end < next + 4) return 0;
    header.maskKey = readMaskKey(bytes, next);
    next += 4;
  }
  header.fin = first >= 0x80;
  header.rsv = first & 0x70;
  header.opcode = first & 0x0f;
  header.masked = masked;
  header.length = length;
  header.headerBytes = next - at;
  return next - at;
}

function longLength(bytes: Uint8Array, at: number): number {
  const high = word(bytes, at);
  if (high >= 0x8000_0000) {
    throw new EngineError('ERR_FRAME_LENGTH', 'the top bit of a 64-bit frame length is set');
  }
  if (high >= 0x20_0000) {
    throw new EngineError('ERR_FRAME_TOO_LONG', 'a frame of 2^53 bytes or more is announced');
  }
  return high * 0x1_0000_0000 + word(bytes, at + 4);
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

/** An object for `parseHeader` to fill. */
export function emptyHeader(): ReadHeader {
  return { fin: false, rsv: 0, opcode: 0, masked: false, maskKey: 0, length: 0, headerBytes: 0 };
}

/**
 * The header at `bytes[at …]`, or null if it is not all there yet. It is not judged: see `checkHeader`. Throws
 * ERR_FRAME_LENGTH for a length of 2^63 or more, ERR_FRAME_TOO_LONG for one of 2^53 or more.
 */
export function readHeader(bytes: Uint8Array, at = 0): ReadHeader | null {
  const header = emptyHeader();
  return parseHeader(bytes, at, bytes.length, header) === 0 ? null : header;
}

/** Writes the header of a frame at `bytes[at …]`; returns where the payload begins. There must be `headerSize` bytes. */
export function writeHeader(bytes: Uint8Array, at: number, header: FrameHeader): number {
  const { length } = header;
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new EngineError('ERR_FRAME_LENGTH', `a frame cannot have ${length} bytes`, { given: length });
  }
  if (bytes.length - at < headerSize(length, header.masked)) {
    throw new EngineError('ERR_FRAME_LENGTH', 'there is no room for the header');
  }
  const first = (header.fin ? 0x80 : 0) | (header.rsv & 0x70) | (header.opcode & 0x0f);
  return putHeader(bytes, at, first, length, header.masked, header.maskKey);
}

/** As `writeHeader`, of parts that are known to be right. `first` is the header's first byte. */
export function putHeader(
  bytes: Uint8Array,
  at: number,
  first: number,
  length: number,
  masked: boolean,
  maskKey: number,
): number {
  const maskBit = masked ? 0x80 : 0;
  let next = at + 2;
  bytes[at] = first;
  if (length < 126) {
    bytes[at + 1] = maskBit | length;
  } else if (length < 65_536) {
    bytes[at + 1] = maskBit | 126;
    bytes[at + 2] = length >>> 8;
    bytes[at + 3] = length;
    next += 2;
  } else {
    bytes[at + 1] = maskBit | 127;
    const high = Math.floor(length / 0x1_0000_0000);
    const low = length >>> 0;
    for (let i = 0; i < 4; i++) {
      bytes[at + 2 + i] = high >>> (24 - 8 * i);
      bytes[at + 6 + i] = low >>> (24 - 8 * i);
    }
    next += 8;
  }
  if (!masked) return next;
  bytes[next] = maskKey;
  bytes[next + 1] = maskKey >>> 8;
  bytes[next + 2] = maskKey >>> 16;
  bytes[next + 3] = maskKey >>> 24;
  return next + 4;
}
