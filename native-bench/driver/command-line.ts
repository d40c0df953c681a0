import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultThresholds, type Thresholds } from './disturbance.ts';
import { places } from './places.ts';

/** What the caller asked for. */
export type Command =
  | { readonly do: 'help' }
  | { readonly do: 'compare'; readonly before: string; readonly after: string }
  | ({ readonly do: 'run' } & RunOptions);

export interface RunOptions {
  readonly isQuick: boolean;
  /** Empty: all. */
  readonly scenarios: readonly string[];
  /** Names of contenders or of peers; empty: all. */
  readonly peers: readonly string[];
  /** Null: as many as usual. */
  readonly rounds: number | null;
  /** Length of the counted time; null: the scenario's. */
  readonly durationMs: number | null;
  readonly out: string;
  /** Null: date and commit. */
  readonly name: string | null;
  readonly thresholds: Thresholds;
  readonly slowUs: number;
  readonly writesDocs: boolean;
}

/** What was given makes no sense; the text is for the caller. */
export class UsageError extends Error {}

export const usage: string = `npm run bench:peers -- [options]

  --quick             fewer scenarios, contenders and rounds: about 2 minutes in place of 15
  --scenario NAME     only this scenario; may be given several times
  --peer NAME         only this contender or peer, and the yardsticks; may be given several times
  --rounds N          rounds per scenario (4; 2 with --quick)
  --duration-ms N     counted time of a run, in place of the scenario's
  --out DIR           where the results go (native-bench/results)
  --name NAME         what their files are called (date and commit)
  --docs              put the tables into docs/benchmarks.md too
  --max-steal PCT     leave out runs with more steal (${defaultThresholds.stealPct})
  --max-foreign PCT   leave out runs with more foreign CPU, in % of one processor (${defaultThresholds.foreignCpuPct})
  --slow-us N         slow shardwire's handler down by N µs per message, to see that it is noticed
  --compare A B       compare two JSON files; exit code 1 if something got worse beyond the noise
`;

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least) {
    throw new UsageError(`--${name}: a number of at least ${least} is needed, not "${text}"`);
  }
  return value;
}

function wholeOf(name: string, text: string, least: number): number {
  const value = numberOf(name, text, least);
  if (!Number.isSafeInteger(value)) throw new UsageError(`--${name}: a whole number is needed, not "${text}"`);
  return value;
}

function nameOf(text: string): string {
  if (!/^[\w.-]+$/.test(text) || text.startsWith('.')) throw new UsageError(`--name: no file name: "${text}"`);
  return text;
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  const texts = { type: 'string', multiple: true, default: [] as string[] } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: flag,
        quick: flag,
        docs: flag,
        compare: flag,
        scenario: texts,
        peer: texts,
        rounds: text,
        'duration-ms': text,
        out: text,
        name: text,
        'max-steal': text,
        'max-foreign': text,
        'slow-us': text,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Throws `UsageError`. */
export function readCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.help) return { do: 'help' };
  if (values.compare) {
    const [before, after, ...rest] = positionals;
    if (before === undefined || after === undefined || rest.length > 0) {
      throw new UsageError('--compare: two JSON files are needed');
    }
    return { do: 'compare', before, after };
  }
  if (positionals.length > 0) throw new UsageError(`unexpected: ${positionals.join(' ')}`);
  const { rounds, name, 'duration-ms': duration, 'max-steal': steal, 'max-foreign': foreign, 'slow-us': slow } = values;
  return {
    do: 'run',
    isQuick: values.quick,
    scenarios: values.scenario,
    peers: values.peer,
    rounds: rounds === undefined ? null : wholeOf('rounds', rounds, 1),
    durationMs: duration === undefined ? null : wholeOf('duration-ms', duration, 50),
    out: values.out === undefined ? places.results : resolve(values.out),
    name: name === undefined ? null : nameOf(name),
    thresholds: {
      stealPct: steal === undefined ? defaultThresholds.stealPct : numberOf('max-steal', steal, 0),
      foreignCpuPct: foreign === undefined ? defaultThresholds.foreignCpuPct : numberOf('max-foreign', foreign, 0),
    },
    slowUs: slow === undefined ? 0 : numberOf('slow-us', slow, 0),
    writesDocs: values.docs,
  };
}
