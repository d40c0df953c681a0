import { EngineError } from '../shared/errors/index.ts';
import { type FrameHeader, headerSize, type ReadHeader } from './header.ts';
import { controlLimitBytes, isControl, opcode } from './opcode.ts';

/** The rules that a header must follow. A rule that is left out is not checked. */
export interface HeaderRules {
  /** Which end reads: a server wants masked frames, a client unmasked ones. */
  readonly role?: 'server' | 'client';
  /** Reserved bits that an extension has negotiated, in place. Default 0: none. */
  readonly reservedBits?: number;
  /** A message has begun and its last frame has not been seen. */
  readonly fragmented?: boolean;
}

/**
 * What is wrong with a frame's header, or null. It reports and does not throw: the caller decides. The order of the
 * checks is fixed: a header with several faults always gets the same code. Each reserved bit must be negotiated, and may
 * stand on the first frame of a message only.
 */
export function checkHeader(header: FrameHeader | ReadHeader, rules: HeaderRules = {}): EngineError | null {
  return faultOf(header, rules.role, rules.reservedBits ?? 0, rules.fragmented);
}

/** `checkHeader` without an object, for code that runs once per frame. */
export function faultOf(
  header: FrameHeader | ReadHeader,
  role: 'server' | 'client' | undefined,
  reservedBits: number,
  fragmented: boolean | undefined,
): EngineError | null {
  const code = header.opcode;
  const control = isControl(code);
  if ((code & 7) > opcode.binary) {
    return new EngineError('ERR_FRAME_OPCODE', `opcode ${code} is reserved`, { given: code });
  }
  if (control) {
    if (header.length > controlLimitBytes) {
      const text = `a control frame has ${header.length} bytes, more than ${controlLimitBytes}`;
      return new EngineError('ERR_FRAME_CONTROL', text, { given: header.length });
    }
    if (!header.fin) return new EngineError('ERR_FRAME_CONTROL', 'a control frame is fragmented');
  }
  if (header.rsv !== 0) {
    const allowed = control || code === opcode.continuation ? 0 : reservedBits;
    const excess = header.rsv & ~allowed;
    if (excess !== 0) {
      const text = `reserved bits 0x${excess.toString(16)} are set without an extension that uses them here`;
      return new EngineError('ERR_FRAME_RESERVED_BITS', text, { given: header.rsv });
    }
  }
  if (role === 'server' && !header.masked) {
    return new EngineError('ERR_FRAME_MASK', 'a frame from a client is not masked');
  }
  if (role === 'client' && header.masked) {
    return new EngineError('ERR_FRAME_MASK', 'a frame from a server is masked');
  }
  if (!control && fragmented !== undefined) {
    if (fragmented && code !== opcode.continuation) {
      const text = `a data frame of opcode ${code} came inside a fragmented message`;
      return new EngineError('ERR_FRAME_SEQUENCE', text, { given: code });
    }
    if (!fragmented && code === opcode.continuation) {
      return new EngineError('ERR_FRAME_SEQUENCE', 'a continuation frame comes without a message to continue');
    }
  }
  // RFC 6455 section 5.2: "the minimal number of bytes MUST be used".
  if ('headerBytes' in header && header.headerBytes !== headerSize(header.length, header.masked)) {
    const text = `a length of ${header.length} is not in its shortest form`;
    return new EngineError('ERR_FRAME_LENGTH', text, { given: header.length });
  }
  return null;
}
