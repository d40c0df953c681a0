import type { LoadgenReport } from '../../native-bench/driver/loadgen-report.ts';
import type { RunRecord } from '../../native-bench/driver/run-record.ts';

/** A report as the load generator writes them, with what matters to a test. */
export function reportOf(given: Partial<LoadgenReport> = {}): LoadgenReport {
  return {
    elapsed_s: 1,
    sent: 1_000,
    received: 1_000,
    unexpected: 0,
    errors: { connect: 0, handshake: 0, protocol: 0, closed: 0 },
    bytes_in: 64_000,
    bytes_out: 64_000,
    rate_per_s: 1_000,
    publishes: 0,
    completeness_pct: 100,
    latency_us: { count: 1_000, mean: 10, min: 5, p50: 10, p90: 15, p99: 20, p999: 25, max: 30 },
    client_cpu_s: 0.3,
    client_cpu_share: 0.3,
    server: {
      cpu_s: 0.95,
      cpu_us_per_message: 950,
      voluntary_switches: 10,
      pss_before_kb: 20_000,
      pss_after_kb: 20_480,
      rss_after_kb: 50_000,
    },
    machine: { steal_pct: 0, foreign_cpu_pct: 0 },
    ...given,
  };
}

/** An undisturbed run of `echo-64`. */
export function runOf(contender: string, round: number, report: LoadgenReport | null): RunRecord {
  return {
    scenario: 'echo-64',
    contender,
    round,
    attempt: 0,
    failure: null,
    disturbance: null,
    sentBytes: 64,
    receivedBytes: 64,
    report,
  };
}
