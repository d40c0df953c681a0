import type { Contender } from './contenders.ts';
import { disturbanceOf, type Thresholds } from './disturbance.ts';
import { type RunSetting, runOnce } from './run-once.ts';
import type { RunRecord } from './run-record.ts';
import type { Scenario } from './scenarios.ts';

/** How often a disturbed run is repeated at most, while the time allows. */
export const mostRepeats = 2;

export interface RoundsSetting extends RunSetting {
  readonly rounds: number;
  readonly thresholds: Thresholds;
  /** Asked before a disturbed run is repeated. */
  readonly mayRepeat: () => boolean;
  readonly onRun: (record: RunRecord) => void;
}

async function runUndisturbed(
  scenario: Scenario,
  contender: Contender,
  round: number,
  setting: RoundsSetting,
): Promise<readonly RunRecord[]> {
  const records: RunRecord[] = [];
  for (let attempt = 0; ; attempt++) {
    const measured = await runOnce(scenario, contender, setting);
    // What others do with the processors changes no server's memory.
    const { report } = measured;
    const counts = report !== null && scenario.mode !== 'idle';
    const disturbance = counts ? disturbanceOf(report, setting.thresholds) : null;
    const names = { scenario: scenario.name, contender: contender.name };
    const record: RunRecord = { ...names, round, attempt, disturbance, ...measured };
    records.push(record);
    setting.onRun(record);
    if (disturbance === null || attempt === mostRepeats || !setting.mayRepeat()) return records;
  }
}

/**
 * Runs a scenario round by round: A B C, then C B A, and so on, so that a drift of the machine favours nobody. A
 * contender that fails is not run again.
 */
export async function runRounds(
  scenario: Scenario,
  contenders: readonly Contender[],
  setting: RoundsSetting,
): Promise<readonly RunRecord[]> {
  const records: RunRecord[] = [];
  const failed = new Set<Contender>();
  for (let round = 0; round < setting.rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      if (failed.has(contender)) continue;
      const runs = await runUndisturbed(scenario, contender, round, setting);
      records.push(...runs);
      if (runs.some(({ failure }) => failure !== null)) failed.add(contender);
    }
  }
  return records;
}
