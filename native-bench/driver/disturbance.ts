import type { LoadgenReport } from './loadgen-report.ts';

/** What a run may suffer from others and still count. */
export interface Thresholds {
  /** Time that the hypervisor gave to others, in percent of all processors' time. */
  readonly stealPct: number;
  /** Processor time of other programs, in percent of one processor. */
  readonly foreignCpuPct: number;
}

export const defaultThresholds: Thresholds = { stealPct: 2, foreignCpuPct: 15 };

/** Why a run does not count, or null. */
export function disturbanceOf({ machine }: LoadgenReport, thresholds: Thresholds): string | null {
  const { steal_pct: steal, foreign_cpu_pct: foreign } = machine;
  if (steal > thresholds.stealPct) return `steal of ${steal.toFixed(1)} %, more than ${thresholds.stealPct} %`;
  if (foreign > thresholds.foreignCpuPct) {
    return `other programs took ${foreign.toFixed(1)} % of a processor, more than ${thresholds.foreignCpuPct} %`;
  }
  return null;
}
