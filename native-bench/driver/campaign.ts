import { availableParallelism } from 'node:os';
import type { Contender } from './contenders.ts';
import type { Thresholds } from './disturbance.ts';
import { describeMachine, readCommit, readVersions } from './machine.ts';
import type { Results } from './results.ts';
import { runRounds } from './rounds.ts';
import type { RunRecord } from './run-record.ts';
import type { Scenario } from './scenarios.ts';
import type { Runtimes } from './server-process.ts';
import { type ScenarioSummary, summarize } from './summary.ts';

/** What is run, and how. */
export interface Campaign {
  readonly name: string;
  readonly isQuick: boolean;
  readonly rounds: number;
  /** Repeats of disturbed runs must leave this much time for the rest, in all. */
  readonly budgetMs: number;
  readonly thresholds: Thresholds;
  readonly scenarios: readonly Scenario[];
  readonly contenders: ReadonlyMap<string, Contender>;
  readonly runtimes: Runtimes;
  readonly bunVersion: string | null;
  /** Arguments for the `shardwire` peer. */
  readonly shardwireArgs: readonly string[];
  readonly statements: readonly string[];
  readonly onRun: (record: RunRecord) => void;
}

/** What a run takes besides its warm-up and its counted time: processes that start and end, the probe. */
const overheadMs = 700;
/** Opening the connections of the idle scenario, and those before them, and the pause in between. */
const idleOverheadMs = 8_000;

function runMs({ warmupMs, durationMs, mode }: Scenario): number {
  return warmupMs + durationMs + overheadMs + (mode === 'idle' ? idleOverheadMs : 0);
}

function namedIn(scenario: Scenario, contenders: Campaign['contenders']): readonly Contender[] {
  return scenario.contenders.flatMap((name) => contenders.get(name) ?? []);
}

function roundsOf({ mostRounds }: Scenario, rounds: number): number {
  return mostRounds === null ? rounds : Math.min(rounds, mostRounds);
}

/** How many runs there are without repeats. */
export function plannedRuns({
  scenarios,
  contenders,
  rounds,
}: Pick<Campaign, 'scenarios' | 'contenders' | 'rounds'>): number {
  return scenarios.reduce((sum, each) => sum + roundsOf(each, rounds) * namedIn(each, contenders).length, 0);
}

/** How long all rounds take without repeats, about. */
export function estimateMs({ scenarios, contenders, rounds }: Campaign): number {
  return scenarios.reduce(
    (sum, each) => sum + roundsOf(each, rounds) * namedIn(each, contenders).length * runMs(each),
    0,
  );
}

/** Runs everything, and gives what came out. */
export async function runCampaign(campaign: Campaign): Promise<Results> {
  const { scenarios, contenders, runtimes } = campaign;
  const began = performance.now();
  const startedAt = new Date().toISOString();
  const runs: RunRecord[] = [];
  const summaries: ScenarioSummary[] = [];
  let leftMs = estimateMs(campaign);
  const missing = new Map<string, string>();
  if (runtimes.bun === null) missing.set('bun', 'Bun is not here');
  for (const scenario of scenarios) {
    const named = namedIn(scenario, contenders);
    const here = named.filter(({ runtime }) => runtime === 'node' || runtimes.bun !== null);
    const records = await runRounds(scenario, here, {
      runtimes,
      shardwireArgs: campaign.shardwireArgs,
      rounds: roundsOf(scenario, campaign.rounds),
      thresholds: campaign.thresholds,
      mayRepeat: () => performance.now() - began + leftMs + runMs(scenario) < campaign.budgetMs,
      onRun: (record) => {
        if (record.attempt === 0) leftMs -= runMs(scenario);
        campaign.onRun(record);
      },
    });
    runs.push(...records);
    summaries.push(summarize(scenario, named, records, missing));
  }
  return {
    format: 1,
    name: campaign.name,
    startedAt,
    elapsedS: Math.round((performance.now() - began) / 100) / 10,
    isQuick: campaign.isQuick,
    rounds: campaign.rounds,
    thresholds: campaign.thresholds,
    machine: describeMachine(),
    versions: readVersions(campaign.bunVersion),
    commit: readCommit(),
    statements: [...campaign.statements, ...machineStatements()],
    scenarios,
    summaries,
    runs,
  };
}

function machineStatements(): readonly string[] {
  const cores = availableParallelism();
  if (cores > 3) return [];
  return [
    `The load generator and the server share this machine's ${cores} processors: a server with more than ` +
      `${Math.max(1, cores - 1)} busy thread${cores > 2 ? 's' : ''} competes with it.`,
  ];
}
