import { z } from 'zod';
import type { Thresholds } from './disturbance.ts';
import type { Commit, Machine, Versions } from './machine.ts';
import { type RunRecord, runRecord } from './run-record.ts';
import type { Scenario } from './scenarios.ts';
import type { Figure } from './statistics.ts';
import type { ContenderSummary, ScenarioSummary } from './summary.ts';

/** All of a run of the driver; what the JSON file holds. */
export interface Results {
  readonly format: 1;
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly elapsedS: number;
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly thresholds: Thresholds;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly commit: Commit | null;
  /** What the reader must know besides the figures. */
  readonly statements: readonly string[];
  readonly scenarios: readonly Scenario[];
  readonly summaries: readonly ScenarioSummary[];
  readonly runs: readonly RunRecord[];
}

const figure: z.ZodType<Figure> = z.object({
  median: z.number(),
  min: z.number(),
  max: z.number(),
  count: z.number().int().positive(),
});

const metricNames = [
  'rate',
  'cpuUs',
  'p50Us',
  'p99Us',
  'memoryMb',
  'bytesPerConnection',
  'serverCpuPct',
  'clientCpuPct',
] as const;
const figures = z.partialRecord(z.enum(metricNames), figure);

const contenderSummary: z.ZodType<ContenderSummary> = z.object({
  contender: z.string(),
  title: z.string(),
  status: z.enum(['ranked', 'incomplete', 'failed', 'disturbed', 'unavailable']),
  note: z.string().nullable(),
  kept: z.number().int(),
  leftOut: z.number().int(),
  sentBytes: z.number(),
  receivedBytes: z.number(),
  completenessPct: z.number().nullable(),
  bottleneck: z.enum(['server', 'client', 'neither']).nullable(),
  figures,
  ratios: z.record(z.string(), figures),
});

const scenario: z.ZodType<Scenario> = z.object({
  name: z.string(),
  title: z.string(),
  family: z.enum(['echo', 'fan-out', 'inside', 'connections']),
  mode: z.enum(['echo', 'fanout', 'latency', 'idle', 'connect']),
  dataBytes: z.number(),
  connections: z.number(),
  pipeline: z.number(),
  ratePerS: z.number(),
  threads: z.number(),
  warmupMs: z.number(),
  durationMs: z.number(),
  mostRounds: z.number().int().nullable(),
  contenders: z.array(z.string()),
  yardsticks: z.array(z.string()),
  isQuick: z.boolean(),
  statement: z.string().nullable(),
});

/** Reads what the driver wrote, maybe on another day and with another version. */
export const results: z.ZodType<Results> = z.object({
  format: z.literal(1),
  name: z.string(),
  startedAt: z.string(),
  elapsedS: z.number(),
  isQuick: z.boolean(),
  rounds: z.number().int(),
  thresholds: z.object({ stealPct: z.number(), foreignCpuPct: z.number() }),
  machine: z.object({ cpu: z.string(), cores: z.number(), memoryMb: z.number(), kernel: z.string() }),
  versions: z.object({
    node: z.string(),
    shardwire: z.string(),
    uws: z.string(),
    ws: z.string(),
    socketio: z.string(),
    bun: z.string().nullable(),
  }),
  commit: z.object({ hash: z.string(), isDirty: z.boolean() }).nullable(),
  statements: z.array(z.string()),
  scenarios: z.array(scenario),
  summaries: z.array(z.object({ scenario: z.string(), contenders: z.array(contenderSummary) })),
  runs: z.array(runRecord),
});
