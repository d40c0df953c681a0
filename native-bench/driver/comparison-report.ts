import { type Comparison, isRegression } from './compare.ts';
import type { Machine } from './machine.ts';
import type { Results } from './results.ts';
import { say } from './words.ts';

function percent(share: number): string {
  return `${say(100 * share, 1)} %`;
}

function line({ scenario, contender, metric, yardstick, before, after, worse, noise, verdict }: Comparison): string {
  const what = `${scenario}, ${contender}, ${metric}${yardstick === null ? '' : ` against ${yardstick}`}`;
  if (worse === null || noise === null || before === null || after === null) {
    return `${verdict === 'lost' ? 'LOST' : verdict}: ${what}: ${after === null ? 'not ranked in the second run' : 'not ranked in the first run'}`;
  }
  const change = `${say(before, 3)} → ${say(after, 3)}, ${percent(Math.abs(worse))} ${worse > 0 ? 'worse' : 'better'}`;
  return `${verdict === 'slower' ? 'SLOWER' : verdict}: ${what}: ${change} (noise ${percent(noise)})`;
}

function machineOf({ cpu, cores, kernel }: Machine): string {
  return `${cpu}, ${cores} processors, ${kernel}`;
}

/** Two runs side by side, for people: what changed first, what agrees as a number. */
export function sayComparison(before: Results, after: Results, comparisons: readonly Comparison[]): string {
  const lines: string[] = [];
  if (machineOf(before.machine) !== machineOf(after.machine)) {
    lines.push(`Not the same machine: ${machineOf(before.machine)}; ${machineOf(after.machine)}.`);
  }
  if (comparisons.length === 0) lines.push('The two runs have nothing in common.');
  const regressions = comparisons.filter(isRegression);
  const machine = comparisons.filter(({ isMachine, verdict }) => isMachine && verdict !== 'agrees');
  const others = comparisons.filter(
    ({ verdict, isMachine }) => !isMachine && (verdict === 'faster' || verdict === 'unknown'),
  );
  lines.push(...regressions.map(line), ...others.map(line));
  if (machine.length > 0) {
    lines.push('', 'Yardsticks that changed by themselves, which tells of the machine:', ...machine.map(line), '');
  }
  const agreeing = comparisons.filter(({ verdict }) => verdict === 'agrees').length;
  lines.push(
    `${agreeing} of ${comparisons.length} figures agree within the noise, ${regressions.length} ${regressions.length === 1 ? 'is' : 'are'} worse.`,
  );
  return `${lines.join('\n')}\n`;
}
