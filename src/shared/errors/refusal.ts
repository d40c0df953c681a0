import { EngineError, type EngineErrorDetail, type ErrorCode } from './engine-error.ts';

/** A property of V8. The types of this folder are those of the language alone, and do not have it. */
const stacks: { stackTraceLimit: number } = Error as unknown as { stackTraceLimit: number };

/**
 * An error about what a peer sent, without a stack. A stack would only say where in our code the fault was found.
 * Collecting one costs several times as much as handling a valid message, and a hostile peer could cause that at will.
 */
export function refusalOf(code: ErrorCode, message: string, detail?: EngineErrorDetail): EngineError {
  const { stackTraceLimit } = stacks;
  stacks.stackTraceLimit = 0;
  const error = new EngineError(code, message, detail);
  stacks.stackTraceLimit = stackTraceLimit;
  return error;
}
