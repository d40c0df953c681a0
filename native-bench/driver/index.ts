import { availableParallelism } from 'node:os';
import { bunVersion, fetchBun } from './bun-runtime.ts';
import { type Campaign, estimateMs, plannedRuns, runCampaign } from './campaign.ts';
import { type RunOptions, readCommandLine, UsageError, usage } from './command-line.ts';
import { compareResults, isRegression } from './compare.ts';
import { sayComparison } from './comparison-report.ts';
import { readCommit } from './machine.ts';
import { toMarkdown } from './markdown.ts';
import { readResults, writeDocs, writeResults } from './outputs.ts';
import { places } from './places.ts';
import { progressOf } from './progress.ts';
import { type Selection, select } from './selection.ts';

const usualRounds = { full: 4, quick: 2 } as const;
const budgetMs = { full: 14 * 60_000, quick: 120_000 } as const;

function defaultName(): string {
  const hash = readCommit()?.hash.slice(0, 7);
  return [new Date().toISOString().slice(0, 10), ...(hash === undefined ? [] : [hash])].join('-');
}

function namesBun({ scenarios, contenders }: Selection): boolean {
  return scenarios.some((scenario) => scenario.contenders.some((name) => contenders.get(name)?.runtime === 'bun'));
}

async function runAll(options: RunOptions): Promise<void> {
  const selection = select(options, availableParallelism());
  const bun = namesBun(selection) ? await fetchBun() : { path: null, reason: null };
  const pace = options.isQuick ? 'quick' : 'full';
  const rounds = options.rounds ?? usualRounds[pace];
  const slow =
    options.slowUs > 0
      ? [`The handler of shardwire was slowed down by ${options.slowUs} µs per message on purpose.`]
      : [];
  const noBun = bun.reason === null ? [] : [`Bun's server is not in the tables: ${bun.reason}.`];
  const planned = plannedRuns({ ...selection, rounds });
  const campaign: Campaign = {
    ...selection,
    name: options.name ?? defaultName(),
    isQuick: options.isQuick,
    rounds,
    budgetMs: budgetMs[pace],
    thresholds: options.thresholds,
    runtimes: { bun: bun.path },
    bunVersion: bun.path === null ? null : bunVersion,
    shardwireArgs: options.slowUs > 0 ? ['--slow-us', String(options.slowUs)] : [],
    statements: [...slow, ...noBun],
    onRun: progressOf(planned),
  };
  const minutes = (estimateMs(campaign) / 60_000).toFixed(1);
  process.stderr.write(`${planned} runs in ${rounds} rounds, about ${minutes} minutes and disturbed ones again\n`);
  const run = await runCampaign(campaign);
  process.stdout.write(toMarkdown(run, 2));
  for (const path of await writeResults(run, options.out)) process.stderr.write(`wrote ${path}\n`);
  if (options.writesDocs) await writeDocs(run, places.docs);
}

async function main(args: readonly string[]): Promise<number> {
  const command = readCommandLine(args);
  if (command.do === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (command.do === 'compare') {
    const before = await readResults(command.before);
    const after = await readResults(command.after);
    const comparisons = compareResults(before, after);
    process.stdout.write(sayComparison(before, after, comparisons));
    return comparisons.length === 0 || comparisons.some(isRegression) ? 1 : 0;
  }
  await runAll(command);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
