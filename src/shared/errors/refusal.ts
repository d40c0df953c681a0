import { EngineError, type EngineErrorDetail, type ErrorCode } from './engine-error.ts';

/** V8's own, which this leaf has no types for. */
const stacks: { stackTraceLimit: number } = Error as unknown as { stackTraceLimit: number };

/**
 * An error about what a peer sent, without a stack. Where in our code the fault was found tells nobody anything, and
 * writing that down costs several times as much as handling a good message: a peer would have it for the asking.
 */
export function refusalOf(code: ErrorCode, message: string, detail?: EngineErrorDetail): EngineError {
  const { stackTraceLimit } = stacks;
  stacks.stackTraceLimit = 0;
  const error = new EngineError(code, message, detail);
  stacks.stackTraceLimit = stackTraceLimit;
  return error;
}
