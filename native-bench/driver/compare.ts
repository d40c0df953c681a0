import { type MetricName, metricsOf, rankedMetrics } from './metrics.ts';
import type { Results } from './results.ts';
import type { Scenario } from './scenarios.ts';
import { type Figure, leastNoise, noiseOf } from './statistics.ts';
import type { ContenderSummary } from './summary.ts';

export type Verdict = 'agrees' | 'slower' | 'faster' | 'lost' | 'unknown';

/** What became of one figure from one run of the driver to another. */
export interface Comparison {
  readonly scenario: string;
  readonly contender: string;
  readonly metric: MetricName;
  /** What its value was divided by before it was compared; null: nothing. */
  readonly yardstick: string | null;
  /** A yardstick of others that is no program of ours: it tells of the machine, not of the engine. */
  readonly isMachine: boolean;
  readonly before: number | null;
  readonly after: number | null;
  /** How much worse, as a share: 0.2 is a fifth slower, negative is better. Null: unknown. */
  readonly worse: number | null;
  /** What the two may differ by, as a share. */
  readonly noise: number | null;
  readonly verdict: Verdict;
}

interface Pair {
  readonly before: ContenderSummary | undefined;
  readonly after: ContenderSummary | undefined;
}

function find(results: Results, scenario: string, contender: string): ContenderSummary | undefined {
  const summary = results.summaries.find((each) => each.scenario === scenario);
  return summary?.contenders.find((each) => each.contender === contender);
}

/** The first yardstick that both runs have a ratio to. */
function sharedYardstick({ yardsticks }: Scenario, { before, after }: Pair, metric: MetricName): string | null {
  const shared = yardsticks.find(
    (name) => before?.ratios[name]?.[metric] !== undefined && after?.ratios[name]?.[metric] !== undefined,
  );
  return shared ?? null;
}

function compareFigures(
  before: Figure,
  after: Figure,
  better: 'more' | 'less',
  least: number,
): Pick<Comparison, 'worse' | 'noise' | 'verdict'> {
  const change = (after.median - before.median) / before.median;
  const worse = better === 'less' ? change : -change;
  const noise = noiseOf(before, after, least);
  return { worse, noise, verdict: worse > noise ? 'slower' : worse < -noise ? 'faster' : 'agrees' };
}

function compareMetric(scenario: Scenario, contender: string, metric: MetricName, pair: Pair): Comparison {
  const yardstick = sharedYardstick(scenario, pair, metric);
  const figureIn = (summary: ContenderSummary | undefined): Figure | undefined =>
    summary?.status !== 'ranked'
      ? undefined
      : yardstick === null
        ? summary.figures[metric]
        : summary.ratios[yardstick]?.[metric];
  const before = figureIn(pair.before);
  const after = figureIn(pair.after);
  const common = {
    scenario: scenario.name,
    contender,
    metric,
    yardstick,
    isMachine: !contender.startsWith('shardwire') && yardstick === null,
    before: before?.median ?? null,
    after: after?.median ?? null,
  };
  const better = metricsOf(scenario).find(({ name }) => name === metric)?.better ?? 'less';
  if (before !== undefined && after !== undefined) {
    const least = yardstick === null ? leastNoise.figure : leastNoise.ratio;
    return { ...common, ...compareFigures(before, after, better, least) };
  }
  // What was measured before and now fails or loses messages is worse than slow. What could not be measured is not.
  const { status } = pair.after ?? { status: 'unavailable' };
  const isLost = before !== undefined && (status === 'failed' || status === 'incomplete');
  return { ...common, worse: null, noise: null, verdict: isLost ? 'lost' : 'unknown' };
}

/** Compares what two runs of the driver have in common. */
export function compareResults(before: Results, after: Results): readonly Comparison[] {
  return before.scenarios.flatMap((scenario) => {
    if (!after.scenarios.some(({ name }) => name === scenario.name)) return [];
    return scenario.contenders.flatMap((contender) => {
      const pair = {
        before: find(before, scenario.name, contender),
        after: find(after, scenario.name, contender),
      };
      if (pair.before === undefined || pair.after === undefined) return [];
      return rankedMetrics(scenario).map((metric) => compareMetric(scenario, contender, metric, pair));
    });
  });
}

/** Whether something got worse that the machine does not explain. */
export function isRegression({ verdict, isMachine }: Comparison): boolean {
  return !isMachine && (verdict === 'slower' || verdict === 'lost');
}
