import { z } from 'zod';

/** Times in microseconds. */
export interface LatencyReport {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What the load generator says at the end of a run, of the counted time. */
export interface LoadgenReport {
  readonly elapsed_s: number;
  readonly sent: number;
  readonly received: number;
  readonly unexpected: number;
  readonly errors: Readonly<Record<'connect' | 'handshake' | 'protocol' | 'closed', number>>;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly rate_per_s: number;
  readonly publishes: number;
  /** Null: nothing was asked. */
  readonly completeness_pct: number | null;
  readonly latency_us: LatencyReport | null;
  readonly client_cpu_s: number;
  readonly client_cpu_share: number;
  readonly server: {
    readonly cpu_s: number;
    /** Null: no message was counted. */
    readonly cpu_us_per_message: number | null;
    readonly voluntary_switches: number;
    /** Null where the system does not tell. */
    readonly pss_before_kb: number | null;
    readonly pss_after_kb: number | null;
    readonly rss_after_kb: number | null;
  };
  readonly machine: { readonly steal_pct: number; readonly foreign_cpu_pct: number };
}

export const latencyReport: z.ZodType<LatencyReport> = z.object({
  count: z.number(),
  mean: z.number(),
  min: z.number(),
  p50: z.number(),
  p90: z.number(),
  p99: z.number(),
  p999: z.number(),
  max: z.number(),
});

export const loadgenReport: z.ZodType<LoadgenReport> = z.object({
  elapsed_s: z.number(),
  sent: z.number(),
  received: z.number(),
  unexpected: z.number(),
  errors: z.object({ connect: z.number(), handshake: z.number(), protocol: z.number(), closed: z.number() }),
  bytes_in: z.number(),
  bytes_out: z.number(),
  rate_per_s: z.number(),
  publishes: z.number(),
  completeness_pct: z.number().nullable(),
  latency_us: latencyReport.nullable(),
  client_cpu_s: z.number(),
  client_cpu_share: z.number(),
  server: z.object({
    cpu_s: z.number(),
    cpu_us_per_message: z.number().nullable(),
    voluntary_switches: z.number(),
    pss_before_kb: z.number().nullable(),
    pss_after_kb: z.number().nullable(),
    rss_after_kb: z.number().nullable(),
  }),
  machine: z.object({ steal_pct: z.number(), foreign_cpu_pct: z.number() }),
});
