import { z } from 'zod';
import { type LoadgenReport, loadgenReport } from './loadgen-report.ts';

/** One run: a fresh server, one run of the load generator. */
export interface RunRecord {
  readonly scenario: string;
  readonly contender: string;
  /** From 0. */
  readonly round: number;
  /** From 0; more than 0: it was repeated. */
  readonly attempt: number;
  /** Why nothing was measured, or null. */
  readonly failure: string | null;
  /** Why what was measured does not count, or null. */
  readonly disturbance: string | null;
  /** Size of what an echo client or a publisher sends, and of what comes back; 0: not known. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Null if nothing was measured. */
  readonly report: LoadgenReport | null;
}

export const runRecord: z.ZodType<RunRecord> = z.object({
  scenario: z.string(),
  contender: z.string(),
  round: z.number().int().nonnegative(),
  attempt: z.number().int().nonnegative(),
  failure: z.string().nullable(),
  disturbance: z.string().nullable(),
  sentBytes: z.number(),
  receivedBytes: z.number(),
  report: loadgenReport.nullable(),
});
