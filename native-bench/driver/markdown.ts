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

/** They say where the limit was, not how good a server is. */
const aboutTheLimit = new Set<MetricName>(['serverCpuPct', 'clientCpuPct']);

function sizes({ sentBytes, receivedBytes }: ContenderSummary): string {
  return receivedBytes === 0 ? sayBytes(sentBytes) : `${sayBytes(sentBytes)} / ${sayBytes(receivedBytes)}`;
}

function hasMessages({ mode }: Scenario): boolean {
  return mode !== 'idle' && mode !== 'connect';
}

/** What could have been faster: the server, the load generator, or neither of them alone. */
function sayLimit({ bottleneck, figures }: ContenderSummary): string {
  const { serverCpuPct: server, clientCpuPct: client } = figures;
  if (bottleneck === null || server === undefined || client === undefined) return bottleneck ?? '–';
  return `${bottleneck} (${say(server.median, 0)} / ${say(client.median, 0)})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return [row(head), row(['---', ...head.slice(1).map(() => '---:')]), ...rows.map(row)];
}

function figuresTable(scenario: Scenario, contenders: readonly ContenderSummary[]): readonly string[] {
  const metrics = metricsOf(scenario).filter(({ name }) => !aboutTheLimit.has(name));
  const isBusy = scenario.mode !== 'idle' && scenario.ratePerS === 0;
  const head = [
    'server',
    ...(hasMessages(scenario) ? ['bytes sent / received', 'complete'] : []),
    ...metrics.map(({ title }) => title),
    ...(isBusy ? ['limit (CPU % of server / client)'] : []),
    'runs (left out)',
  ];
  const rows = contenders.map((summary) => {
    const { status, completenessPct: complete, figures, kept, leftOut } = summary;
    // What is not comparable is not shown as if it were: only how much of it was missing.
    const isRanked = status === 'ranked';
    return [
      isRanked ? summary.title : `${summary.title} (${status})`,
      ...(hasMessages(scenario) ? [sizes(summary), complete === null ? '–' : `${complete} %`] : []),
      ...metrics.map(({ name, digits }) => sayFigure(isRanked ? figures[name] : undefined, digits)),
      ...(isBusy ? [isRanked ? sayLimit(summary) : '–'] : []),
      leftOut === 0 ? String(kept) : `${kept} (${leftOut})`,
    ];
  });
  return table(head, rows);
}

/** Empty if nothing can be compared. */
function ratiosTable(scenario: Scenario, contenders: readonly ContenderSummary[]): readonly string[] {
  const ranked = contenders.filter(({ status }) => status === 'ranked');
  const yardsticks = scenario.yardsticks.flatMap((name) => ranked.find(({ contender }) => contender === name) ?? []);
  const compared = ranked.filter(({ ratios }) => Object.keys(ratios).length > 0);
  if (compared.length === 0) return [];
  const columns = yardsticks.flatMap((yardstick) => rankedMetrics(scenario).map((metric) => ({ yardstick, metric })));
  const head = columns.map(({ yardstick, metric }) => `${shortNames[metric] ?? metric} / ${yardstick.title}`);
  const rows = compared.map(({ title, contender, ratios }) => [
    title,
    ...columns.map(({ yardstick, metric }) =>
      yardstick.contender === contender ? '1' : sayFigure(ratios[yardstick.contender]?.[metric], 2),
    ),
  ]);
  return ['', ...table(['ratio, round by round', ...head], rows)];
}

function sayThresholds({ stealPct, foreignCpuPct }: Thresholds): string {
  const unusual =
    stealPct === defaultThresholds.stealPct && foreignCpuPct === defaultThresholds.foreignCpuPct
      ? ''
      : ' These thresholds are not the usual ones.';
  const limits = `${stealPct} % of its time was taken by the hypervisor or ${foreignCpuPct} % of a processor by other programs`;
  return `A run is left out if more than ${limits}.${unusual}`;
}

/** By how much the medians of one-way times differ from the yardstick's, in words. */
function sayDelays(scenario: Scenario, contenders: readonly ContenderSummary[]): readonly string[] {
  if (scenario.mode !== 'latency') return [];
  const [yardstick] = scenario.yardsticks.map((name) => contenders.find(({ contender }) => contender === name));
  const base = yardstick?.figures.p50Us;
  if (yardstick?.status !== 'ranked' || base === undefined) return [];
  return contenders.flatMap(({ title, contender, status, figures }) => {
    if (contender === yardstick.contender || status !== 'ranked' || figures.p50Us === undefined) return [];
    const added = figures.p50Us.median - base.median;
    return [
      `The median ${title} is ${say(Math.abs(added), 0)} µs ${added < 0 ? 'less' : 'more'} than ${yardstick.title}.`,
    ];
  });
}

/** What was measured, where, and what to know. */
function preamble(results: Results): readonly string[] {
  const { machine, versions, commit } = results;
  const gib = say(machine.memoryMb / 1024, 0);
  const bun = versions.bun === null ? 'without Bun' : `Bun ${versions.bun}`;
  return [
    `Run of ${results.startedAt.slice(0, 10)}, ${results.rounds === 1 ? 'one round' : `${results.rounds} rounds`}${results.isQuick ? ', `--quick`' : ''}, ` +
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
    lines.push('', `${'#'.repeat(level)} ${scenario.title}`, '', ...figuresTable(scenario, contenders));
    lines.push(...ratiosTable(scenario, contenders));
    const notes: string[] = contenders.flatMap(({ title, note }) => (note === null ? [] : [`${title}: ${note}.`]));
    if (scenario.statement !== null) notes.unshift(scenario.statement);
    notes.push(...sayDelays(scenario, contenders));
    if (notes.length > 0) lines.push('', notes.join(' '));
  }
  return `${lines.join('\n')}\n`;
}
