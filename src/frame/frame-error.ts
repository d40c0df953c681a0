import { EngineError, type EngineErrorDetail, type ErrorCode, errorCode } from '../shared/errors/index.ts';

/** Whose fault an error of this module is: the peer broke the protocol, or went over a limit of ours. */
export type FrameErrorFamily = 'protocol' | 'limit';

interface FrameErrorFacts {
  readonly family: FrameErrorFamily;
  /** The close code that the peer is told (RFC 6455 section 7.4.1). */
  readonly closeCode: 1002 | 1007 | 1009;
}

const protocolError: FrameErrorFacts = { family: 'protocol', closeCode: 1002 };
const invalidPayload: FrameErrorFacts = { family: 'protocol', closeCode: 1007 };
const tooBig: FrameErrorFacts = { family: 'limit', closeCode: 1009 };

const facts: ReadonlyMap<string, FrameErrorFacts> = new Map<ErrorCode, FrameErrorFacts>([
  ['ERR_FRAME_OPCODE', protocolError],
  ['ERR_FRAME_RESERVED_BITS', protocolError],
  ['ERR_FRAME_LENGTH', protocolError],
  ['ERR_FRAME_CONTROL', protocolError],
  ['ERR_FRAME_MASK', protocolError],
  ['ERR_FRAME_SEQUENCE', protocolError],
  ['ERR_FRAME_CLOSE_BODY', protocolError],
  ['ERR_FRAME_UTF8', invalidPayload],
  ['ERR_FRAME_DEFLATE', invalidPayload],
  ['ERR_FRAME_TOO_LONG', tooBig],
  ['ERR_FRAME_MESSAGE_TOO_LONG', tooBig],
]);

/** Whether the peer broke the protocol or a limit; undefined: neither. */
export function frameErrorFamily(error: unknown): FrameErrorFamily | undefined {
  return facts.get(errorCode(error) ?? '')?.family;
}

/** The code of the Close frame that tells a peer about an error: 1002, 1007, 1009, or 1011 for what it did not cause. */
export function closeCodeFor(error: unknown): number {
  return facts.get(errorCode(error) ?? '')?.closeCode ?? 1011;
}

export function optionInvalid(path: string, given: unknown, allowed: string): EngineError {
  const detail: EngineErrorDetail = { path, given, allowed };
  return new EngineError('ERR_OPTION_INVALID', `${path} is not allowed: it must be ${allowed}`, detail);
}

/** A whole number within bounds, or ERR_OPTION_INVALID. `fallback` stands for one that was not given. */
export function wholeNumber(
  path: string,
  given: number | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (given === undefined) return fallback;
  if (Number.isInteger(given) && given >= least && given <= most) return given;
  throw optionInvalid(path, given, `a whole number from ${least} to ${most}`);
}

export function messageTooLong(maxMessageBytes: number): EngineError {
  const text = `a message has more than ${maxMessageBytes} bytes`;
  return new EngineError('ERR_FRAME_MESSAGE_TOO_LONG', text, { allowed: `at most ${maxMessageBytes} bytes` });
}
