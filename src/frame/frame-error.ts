import { EngineError, type EngineErrorDetail, errorCode, errorFacts } from '../shared/errors/index.ts';

/** Whose fault an error of this module is: the peer broke the protocol, or went over a limit of ours. */
export type FrameErrorFamily = 'protocol' | 'limit';

/** Whether the peer broke the protocol or a limit; undefined: neither. */
export function frameErrorFamily(error: unknown): FrameErrorFamily | undefined {
  const code = errorFacts(errorCode(error))?.closeCode;
  if (code === 1009) return 'limit';
  return code === 1002 || code === 1007 ? 'protocol' : undefined;
}

/** The code of the Close frame that tells a peer about an error: 1002, 1007, 1009, or 1011 for what it did not cause. */
export function closeCodeFor(error: unknown): number {
  return errorFacts(errorCode(error))?.closeCode ?? 1011;
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
