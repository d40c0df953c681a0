/** Opcodes of RFC 6455 section 5.2. */
export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface RawFrame {
  readonly fin: boolean;
  /** The three reserved bits as a number, RSV1 is 4. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Buffer;
}

export interface FrameToSend {
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly masked?: boolean;
  /** Shortest if not given; 16 or 64 force the longer forms. */
  readonly lengthBits?: 7 | 16 | 64;
}

const mask: readonly number[] = [0x12, 0x9a, 0x00, 0xff];

/** The bytes of one frame, right or wrong as asked. */
export function frameBytes(frame: FrameToSend): Buffer {
  const payload = Buffer.from(frame.payload ?? '');
  const { fin = true, rsv = 0, masked = true } = frame;
  const bits = frame.lengthBits ?? (payload.length < 126 ? 7 : payload.length < 65_536 ? 16 : 64);
  const lengthBytes = bits === 7 ? 0 : bits / 8;
  const head = Buffer.alloc(2 + lengthBytes + (masked ? 4 : 0));
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | frame.opcode;
  head[1] = (masked ? 0x80 : 0) | (bits === 7 ? payload.length : bits === 16 ? 126 : 127);
  if (bits === 16) head.writeUInt16BE(payload.length, 2);
  if (bits === 64) head.writeBigUInt64BE(BigInt(payload.length), 2);
  if (masked) {
    head.set(mask, 2 + lengthBytes);
    for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  }
  return Buffer.concat([head, payload]);
}

/** Payload of a Close frame. */
export function closePayload(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}

/** The code and reason of a Close frame; 1005: it names none. */
export function closeOf(frame: RawFrame): { code: number; reason: string } {
  if (frame.payload.length < 2) return { code: 1005, reason: '' };
  return { code: frame.payload.readUInt16BE(0), reason: frame.payload.toString('utf8', 2) };
}

/** Takes the first whole frame off `bytes`; undefined: there is none yet. */
export function takeFrame(bytes: Buffer): { frame: RawFrame; rest: Buffer } | undefined {
  if (bytes.length < 2) return undefined;
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  const short = second & 0x7f;
  const lengthEnd = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < lengthEnd) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const masked = second >= 0x80;
  const start = lengthEnd + (masked ? 4 : 0);
  if (bytes.length < start + length) return undefined;
  const payload = Buffer.from(bytes.subarray(start, start + length));
  if (masked) for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[lengthEnd + (i & 3)] ?? 0);
  const frame = { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 15, masked, payload };
  return { frame, rest: bytes.subarray(start + length) };
}
