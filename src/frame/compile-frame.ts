import { EngineError } from '../shared/errors/index.ts';
import { encodeCloseBody } from './close-body.ts';
import { headerSize, putHeader } from './header.ts';
import { applyMask } from './mask.ts';
import { controlLimitBytes, isControl, opcode } from './opcode.ts';

/** A frame to put into bytes. */
export interface FrameParts {
  readonly opcode: number;
  /** Default: none. */
  readonly payload?: Uint8Array;
  /** Default true. */
  readonly fin?: boolean;
  /** Reserved bits in place. Default 0. */
  readonly rsv?: number;
  /** A client's frame is masked with this key. Default: not masked. */
  readonly maskKey?: number;
}

const nothing = new Uint8Array(0);

/** The bytes of a frame, header and payload in one piece. The payload is copied, and masked in the copy. */
export function compileFrame(frame: FrameParts): Uint8Array<ArrayBuffer> {
  const { payload = nothing, maskKey } = frame;
  const { length } = payload;
  if (isControl(frame.opcode) && (length > controlLimitBytes || frame.fin === false)) {
    const text = `a control frame has at most ${controlLimitBytes} bytes and is not fragmented`;
    throw new EngineError('ERR_FRAME_CONTROL', text, { path: 'payload', given: length });
  }
  const masked = maskKey !== undefined;
  const bytes = new Uint8Array(headerSize(length, masked) + length);
  const first = (frame.fin === false ? 0 : 0x80) | ((frame.rsv ?? 0) & 0x70) | (frame.opcode & 0x0f);
  const at = putHeader(bytes, 0, first, length, masked, maskKey ?? 0);
  bytes.set(payload, at);
  if (masked) applyMask(bytes.subarray(at), maskKey);
  return bytes;
}

/** The bytes of a Close frame; without a code it is empty. Throws ERR_CLOSE_CODE_INVALID. */
export function compileCloseFrame(code?: number, reason?: string, maskKey?: number): Uint8Array<ArrayBuffer> {
  const payload = code === undefined ? nothing : encodeCloseBody(code, reason);
  return compileFrame({ opcode: opcode.close, payload, ...(maskKey === undefined ? {} : { maskKey }) });
}

/**
 * A server's control frames without a payload, and Close frames by code. They are shared: send them, do not write to
 * them.
 */
export const preparedFrames: {
  readonly ping: Uint8Array;
  readonly pong: Uint8Array;
  readonly close: Uint8Array;
  readonly closeWith: ReadonlyMap<number, Uint8Array>;
} = {
  ping: compileFrame({ opcode: opcode.ping }),
  pong: compileFrame({ opcode: opcode.pong }),
  close: compileCloseFrame(),
  closeWith: new Map(
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].map((code) => [
      code,
      compileCloseFrame(code),
    ]),
  ),
};
