import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type OffloadOutcome, outcomeTransfer, performJob } from '../../shared/config/offload.ts';

/** The pool looks for its function under this name in a module. */
export const taskName = 'task';

/**
 * What a module for pool threads exports as `task`. The bytes of the outcome are moved to main. Bytes that share their
 * memory with something else, such as a view of the job's source, are copied first.
 */
export function offloadTask<J>(perform: (job: J) => Uint8Array): (job: J) => unknown {
  return (job) => {
    let outcome = performJob(perform, job);
    if (!outcome.ok) return outcome;
    if (outcomeTransfer(outcome).length === 0) outcome = { ok: true, bytes: new Uint8Array(outcome.bytes) };
    return move(moved(outcome));
  };
}

function moved(outcome: OffloadOutcome): { readonly [transferableSymbol]: object; readonly [valueSymbol]: object } {
  return { [transferableSymbol]: outcomeTransfer(outcome), [valueSymbol]: outcome };
}
