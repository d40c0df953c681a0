import { type RunOptions, UsageError } from './command-line.ts';
import { type Contender, contendersFor } from './contenders.ts';
import { type Scenario, scenariosFor } from './scenarios.ts';

/** What of all that there is will be run. */
export interface Selection {
  readonly scenarios: readonly Scenario[];
  readonly contenders: ReadonlyMap<string, Contender>;
}

type Wanted = Pick<RunOptions, 'isQuick' | 'scenarios' | 'peers' | 'durationMs'>;

/** Of `--quick`: enough to see whether something is wrong. */
const quickTimes = { warmupMs: 200, durationMs: 500 } as const;

function checkNames(option: string, given: readonly string[], known: readonly string[]): void {
  const wrong = given.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new UsageError(`--${option}: there is no "${wrong}"; there are: ${[...new Set(known)].join(', ')}`);
  }
}

/** Idle connections need their time, whoever is in a hurry. */
function timesOf({ mode, warmupMs, durationMs }: Scenario, wanted: Wanted): Pick<Scenario, 'warmupMs' | 'durationMs'> {
  if (mode === 'idle') return { warmupMs, durationMs };
  const usual = wanted.isQuick ? quickTimes : { warmupMs, durationMs };
  return { ...usual, durationMs: wanted.durationMs ?? usual.durationMs };
}

/** Throws `UsageError` for names that mean nothing. */
export function select(wanted: Wanted, cores: number): Selection {
  const contenders = contendersFor(cores);
  const everything = scenariosFor(cores);
  const peerNames = [...contenders.values()].flatMap(({ name, peer }) => [name, peer]);
  checkNames(
    'scenario',
    wanted.scenarios,
    everything.map(({ name }) => name),
  );
  checkNames('peer', wanted.peers, peerNames);
  const isWanted = (contender: Contender): boolean =>
    wanted.peers.length === 0
      ? !wanted.isQuick || contender.isQuick
      : wanted.peers.includes(contender.name) || wanted.peers.includes(contender.peer);
  const chosen = everything.filter(({ name, isQuick }) =>
    wanted.scenarios.length === 0 ? !wanted.isQuick || isQuick : wanted.scenarios.includes(name),
  );
  const scenarios = chosen.flatMap((scenario): Scenario[] => {
    const asked = scenario.contenders.filter((name) => {
      const contender = contenders.get(name);
      return contender !== undefined && isWanted(contender);
    });
    // Without its first yardstick a figure says little.
    const [yardstick] = scenario.yardsticks;
    const named = scenario.contenders.filter(
      (name) => asked.includes(name) || (asked.length > 0 && name === yardstick),
    );
    return named.length === 0 ? [] : [{ ...scenario, ...timesOf(scenario, wanted), contenders: named }];
  });
  if (scenarios.length === 0) throw new UsageError('none of these scenarios has any of these peers');
  return { scenarios, contenders };
}
