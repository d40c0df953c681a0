import { defaultThresholds, type Thresholds } from './disturbance.ts';
import { type MetricName, metricsOf, rankedMetrics } from './metrics.ts';
import type { Results } from './results.ts';
import type { Scenario } from './scenarios.ts';
import type { Figure } from './statistics.ts';
import type { ContenderSummary } from './summary.ts';
import { say, sayBytes, sayLeftOut } from './words.ts';

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The median, and behind it the lowest and the highest. */
function sayFigure(figure: Figure | undefined, digits: number): string {
  if (figure === undefined) return '–';
  const range = `${say(figure.min, digits)}–${say(figure.max, digits)}`;
  return figure.count === 1 ? say(figure.median, digits) : `${say(figure.median, digits)} (${range})`;
}

const shortNames: Readonly<Partial<Record<MetricName, string>>> = {
  rate: 'rate',
  cpuUs: 'CPU',
  p50Us: 'p50',
  bytesPerConnection: 'memory',
};

/** Metrics whose spread is not shown: they say where the limit was, not how good a server is. */
const withoutSpread = new Set<MetricName>(['memoryMb', 'serverCpuPct', 'clientCpuPct']);

function sizes({ sentBytes, receivedBytes }: ContenderSummary): string {
  return receivedBytes === 0 ? sayBytes(sentBytes) : `${sayBytes(sentBytes)} / ${sayBytes(receivedBytes)}`;
}

function hasMessages({ mode }: Scenario): boolean {
  return mode !== 'idle' && mode !== 'connect';
}

function tableOf(scenario: Scenario, contenders: readonly ContenderSummary[]): readonly string[] {
  const metrics = metricsOf(scenario);
  const ranked = rankedMetrics(scenario);
  const titleOf = (name: string): string => contenders.find(({ contender }) => contender === name)?.title ?? name;
  const yardsticks = scenario.yardsticks.filter((name) => contenders.some(({ contender }) => contender === name));
  const ratioColumns = yardsticks.flatMap((yardstick) => ranked.map((metric) => ({ yardstick, metric })));
  const head = [
    'server',
    ...(hasMessages(scenario) ? ['bytes sent / received', 'complete'] : []),
    ...metrics.map(({ title }) => title),
    ...ratioColumns.map(({ yardstick, metric }) => `${shortNames[metric] ?? metric} against ${titleOf(yardstick)}`),
    ...(scenario.mode === 'idle' ? [] : ['limit']),
    'runs (left out)',
  ];
  const lines = [row(head), row(['---', ...head.slice(1).map(() => '---:')])];
  for (const summary of contenders) {
    const { status, completenessPct: complete, figures, ratios } = summary;
    // A figure that is not comparable is not shown as one: only how much of it was missing.
    const isRanked = status === 'ranked';
    lines.push(
      row([
        isRanked ? summary.title : `${summary.title} (${status})`,
        ...(hasMessages(scenario) ? [sizes(summary), complete === null ? '–' : `${complete} %`] : []),
        ...metrics.map(({ name, digits }) => {
          const figure = isRanked ? figures[name] : undefined;
          return figure !== undefined && withoutSpread.has(name)
            ? say(figure.median, digits)
            : sayFigure(figure, digits);
        }),
        ...ratioColumns.map(({ yardstick, metric }) =>
          yardstick === summary.contender ? '1' : sayFigure(ratios[yardstick]?.[metric], 2),
        ),
        ...(scenario.mode === 'idle' ? [] : [summary.bottleneck ?? '–']),
        summary.leftOut === 0 ? String(summary.kept) : `${summary.kept} (${summary.leftOut})`,
      ]),
    );
  }
  return lines;
}

function sayThresholds({ stealPct, foreignCpuPct }: Thresholds): string {
  const unusual =
    stealPct === defaultThresholds.stealPct && foreignCpuPct === defaultThresholds.foreignCpuPct
      ? ''
      : ' These thresholds are not the usual ones.';
  const limits = `${stealPct} % of its time was taken by the hypervisor or ${foreignCpuPct} % of a processor by other programs`;
  return `A run is left out if more than ${limits}.${unusual}`;
}

/** What was measured, where, and what to know. */
function preamble(results: Results): readonly string[] {
  const { machine, versions, commit } = results;
  const gib = say(machine.memoryMb / 1024, 0);
  const bun = versions.bun === null ? 'without Bun' : `Bun ${versions.bun}`;
  return [
    `Run of ${results.startedAt.slice(0, 10)}, ${results.rounds} rounds${results.isQuick ? ', `--quick`' : ''}, ` +
      `${say(results.elapsedS / 60, 1)} minutes. ${machine.cpu}, ${machine.cores} processors, ${gib} GB, ${machine.kernel}. ` +
      `shardwire ${versions.shardwire}${commit === null ? '' : ` at ${commit.hash.slice(0, 10)}${commit.isDirty ? ' with changes' : ''}`}, ` +
      `Node ${versions.node}, ${versions.uws} (uWebSockets.js), ws ${versions.ws}, Socket.IO ${versions.socketio}, ${bun}.`,
    '',
    `Medians, and in brackets the lowest and the highest of the runs that count. ${sayLeftOut(results.summaries)} ` +
      sayThresholds(results.thresholds),
    ...results.statements.flatMap((statement) => ['', statement]),
  ];
}

/** The tables of a run of the driver; headings begin at that level. */
export function toMarkdown(results: Results, level: number): string {
  const lines = [...preamble(results)];
  for (const scenario of results.scenarios) {
    const contenders = results.summaries.find((summary) => summary.scenario === scenario.name)?.contenders ?? [];
    lines.push('', `${'#'.repeat(level)} ${scenario.title}`, '', ...tableOf(scenario, contenders));
    const notes = contenders.flatMap(({ title, note }) => (note === null ? [] : [`${title}: ${note}.`]));
    if (scenario.statement !== null) notes.unshift(scenario.statement);
    if (notes.length > 0) lines.push('', notes.join(' '));
  }
  return `${lines.join('\n')}\n`;
}
