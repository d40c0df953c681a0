import type { Contender } from './contenders.ts';
import { type MetricName, metricsOf, rankedMetrics } from './metrics.ts';
import type { RunRecord } from './run-record.ts';
import type { Scenario } from './scenarios.ts';
import { type Figure, figureOf, median, pairedRatios } from './statistics.ts';

/**
 * What became of a contender in a scenario. Only `ranked` ones have ratios and bars: a rate says nothing if deliveries
 * were missing, answers were wrong, or something else used the machine.
 */
export type Status = 'ranked' | 'incomplete' | 'failed' | 'disturbed' | 'unavailable';

/** A contender's figures in one scenario, over the rounds that count. */
export interface ContenderSummary {
  readonly contender: string;
  readonly title: string;
  readonly status: Status;
  /** Why it is not ranked, or null. */
  readonly note: string | null;
  /** Runs that count, and those left out because they were disturbed. */
  readonly kept: number;
  readonly leftOut: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The lowest of the runs that count; null: none does, or no messages are sent. */
  readonly completenessPct: number | null;
  readonly bottleneck: 'server' | 'client' | 'neither' | null;
  readonly figures: Readonly<Partial<Record<MetricName, Figure>>>;
  /** By yardstick: its own value over the yardstick's, paired by round. */
  readonly ratios: Readonly<Record<string, Readonly<Partial<Record<MetricName, Figure>>>>>;
}

export interface ScenarioSummary {
  readonly scenario: string;
  readonly contenders: readonly ContenderSummary[];
}

/** A run that counts. */
type Kept = RunRecord & { readonly report: NonNullable<RunRecord['report']> };

/** From here on a thread counts as busy all the time. */
const busyShare = 0.9;

function keptRuns(runs: readonly RunRecord[]): readonly Kept[] {
  return runs.filter((run): run is Kept => run.report !== null && run.failure === null && run.disturbance === null);
}

function faultOf({ report }: Kept): string | null {
  const { connect, handshake, protocol, closed } = report.errors;
  if (connect + handshake + protocol + closed > 0) {
    return `errors: ${connect} connecting, ${handshake} handshakes, ${protocol} protocol, ${closed} connections lost`;
  }
  return report.unexpected > 0 ? `${report.unexpected} messages were not what was expected` : null;
}

/** The lowest of the runs; null where no messages are sent. Where some should have been and none was: 0. */
function completenessOf({ mode }: Scenario, kept: readonly Kept[]): number | null {
  if (kept.length === 0 || mode === 'idle' || mode === 'connect') return null;
  return Math.min(...kept.map(({ report }) => report.completeness_pct ?? 0));
}

function judge(
  scenario: Scenario,
  runs: readonly RunRecord[],
  kept: readonly Kept[],
): { readonly status: Status; readonly note: string | null } {
  const failure = runs.find((run) => run.failure !== null)?.failure ?? null;
  if (failure !== null) return { status: 'failed', note: failure };
  const [first] = kept;
  if (first === undefined) {
    const reason = runs.at(-1)?.disturbance ?? null;
    return reason === null
      ? { status: 'unavailable', note: 'not run' }
      : { status: 'disturbed', note: `every run was disturbed, the last by ${reason}` };
  }
  const fault = kept.map(faultOf).find((text) => text !== null) ?? null;
  if (fault !== null) return { status: 'failed', note: fault };
  const least = completenessOf(scenario, kept);
  if (least !== null && least < 100)
    return { status: 'incomplete', note: `${least.toFixed(2)} % of the messages arrived` };
  return { status: 'ranked', note: null };
}

function bottleneckOf(scenario: Scenario, kept: readonly Kept[], threads: number): ContenderSummary['bottleneck'] {
  if (kept.length === 0 || scenario.mode === 'idle') return null;
  const server = median(kept.map(({ report }) => report.server.cpu_s / report.elapsed_s));
  if (server >= busyShare * threads) return 'server';
  return median(kept.map(({ report }) => report.client_cpu_share)) >= busyShare ? 'client' : 'neither';
}

/** A metric's value by round. */
function valuesOf(scenario: Scenario, kept: readonly Kept[], name: MetricName): ReadonlyMap<number, number> {
  const metric = metricsOf(scenario).find((known) => known.name === name);
  const values = new Map<number, number>();
  for (const { round, report } of kept) {
    const value = metric?.of(report, scenario) ?? null;
    if (value !== null) values.set(round, value);
  }
  return values;
}

function ratiosOf(
  scenario: Scenario,
  kept: readonly Kept[],
  yardstick: readonly Kept[],
): Partial<Record<MetricName, Figure>> {
  const ratios: Partial<Record<MetricName, Figure>> = {};
  for (const name of rankedMetrics(scenario)) {
    const paired = pairedRatios(valuesOf(scenario, kept, name), valuesOf(scenario, yardstick, name));
    const figure = figureOf(paired);
    if (figure !== null) ratios[name] = figure;
  }
  return ratios;
}

/** What the runs of one scenario say. A contender without runs was not available; `missing` says why. */
export function summarize(
  scenario: Scenario,
  contenders: readonly Contender[],
  records: readonly RunRecord[],
  missing: ReadonlyMap<string, string>,
): ScenarioSummary {
  const runsOf = (name: string): readonly RunRecord[] =>
    records.filter((run) => run.scenario === scenario.name && run.contender === name);
  const judged = new Map(
    contenders.map((contender) => {
      const runs = runsOf(contender.name);
      const kept = keptRuns(runs);
      return [contender.name, { runs, kept, ...judge(scenario, runs, kept) }];
    }),
  );
  const summaries = contenders.map(({ name, title, threads }): ContenderSummary => {
    const { runs = [], kept = [], status = 'unavailable', note = null } = judged.get(name) ?? {};
    const figures: Partial<Record<MetricName, Figure>> = {};
    for (const metric of metricsOf(scenario)) {
      const figure = figureOf([...valuesOf(scenario, kept, metric.name).values()]);
      if (figure !== null) figures[metric.name] = figure;
    }
    const ratios: Record<string, Partial<Record<MetricName, Figure>>> = {};
    for (const yardstick of scenario.yardsticks) {
      const against = judged.get(yardstick);
      if (yardstick === name || status !== 'ranked' || against?.status !== 'ranked') continue;
      ratios[yardstick] = ratiosOf(scenario, kept, against.kept);
    }
    return {
      contender: name,
      title,
      status,
      note: missing.get(name) ?? note,
      kept: kept.length,
      leftOut: runs.filter(({ disturbance }) => disturbance !== null).length,
      sentBytes: runs[0]?.sentBytes ?? 0,
      receivedBytes: runs[0]?.receivedBytes ?? 0,
      completenessPct: completenessOf(scenario, kept),
      bottleneck: bottleneckOf(scenario, kept, threads),
      figures,
      ratios,
    };
  });
  return { scenario: scenario.name, contenders: summaries };
}
