import { EngineError, isSendableCloseCode } from '../shared/errors/index.ts';
import { controlLimitBytes } from './opcode.ts';
import { isUtf8Text } from './utf8.ts';

/** Close codes that have a meaning of their own (RFC 6455 section 7.4.1 and the IANA registry). */
export const closeStatus = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never sent: the Close frame named no code. */
  none: 1005,
  /** Never sent: there was no Close frame. */
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  extensionMissing: 1010,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
  badGateway: 1014,
  /** Never sent: the TLS handshake failed. */
  tlsFailed: 1015,
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a Close frame said. */
export interface CloseBody {
  /** 1005 if it named none. */
  readonly code: number;
  readonly reason: string;
}

/**
 * What is wrong with a close code that came in a frame, or null. 1012–1014 are registered with IANA. Codes from 5000 on
 * are assigned to nobody.
 */
export function checkCloseCode(code: number): EngineError | null {
  if (isSendableCloseCode(code)) return null;
  const why =
    code < 1000
      ? 'is not in use'
      : code === 1005 || code === 1006 || code === 1015
        ? 'is never sent'
        : code === 1004
          ? 'has no meaning yet'
          : code < 3000
            ? 'is not defined'
            : 'is out of range';
  return new EngineError('ERR_FRAME_CLOSE_BODY', `close code ${code} ${why}`, { path: 'code', given: code });
}

/**
 * The payload of a Close frame. The reason is cut, at a character's boundary, to what fits. Throws
 * ERR_CLOSE_CODE_INVALID for a code that may not be sent.
 */
export function encodeCloseBody(code: number, reason = ''): Uint8Array<ArrayBuffer> {
  if (!isSendableCloseCode(code)) {
    const detail = { path: 'code', given: code, allowed: '1000–1003, 1007–1014 or 3000–4999' };
    throw new EngineError('ERR_CLOSE_CODE_INVALID', `close code ${code} may not be sent`, detail);
  }
  if (typeof reason !== 'string') {
    const detail = { path: 'reason', given: reason, allowed: 'a string' };
    throw new EngineError('ERR_CLOSE_CODE_INVALID', 'the reason of a close must be a string', detail);
  }
  const body = new Uint8Array(controlLimitBytes);
  body[0] = code >>> 8;
  body[1] = code;
  // encodeInto never writes a part of a character.
  const { written } = encoder.encodeInto(reason, body.subarray(2));
  return body.slice(0, 2 + written);
}

/**
 * What a Close frame's payload says, or what is wrong with it. An empty one is 1005, one of a single byte is wrong.
 */
export function parseCloseBody(payload: Uint8Array): CloseBody | EngineError {
  if (payload.length === 0) return { code: closeStatus.none, reason: '' };
  if (payload.length === 1) {
    return new EngineError('ERR_FRAME_CLOSE_BODY', 'a Close frame has one byte of payload');
  }
  const code = ((payload[0] as number) << 8) | (payload[1] as number);
  const fault = checkCloseCode(code);
  if (fault !== null) return fault;
  const reason = payload.subarray(2);
  if (!isUtf8Text(reason)) return new EngineError('ERR_FRAME_UTF8', 'the reason in a Close frame is not UTF-8');
  return { code, reason: reason.length === 0 ? '' : decoder.decode(reason) };
}
