import Table from 'cli-table3';
import { type BenchResult, busyShare, type Percentiles } from './result.ts';

const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

function count(value: number): string {
  return numbers.format(value);
}

function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${size.toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}

function time(micros: number): string {
  if (micros < 1_000) return `${Math.round(micros)} µs`;
  if (micros < 1_000_000) return `${(micros / 1_000).toFixed(2)} ms`;
  return `${(micros / 1_000_000).toFixed(2)} s`;
}

/** Plain text: what is printed may go to a file. */
function plainTable(head: string[], rows: readonly string[][]): string {
  const table = new Table({ head, style: { head: [], border: [] } });
  table.push(...rows);
  return table.toString();
}

const nouns = { echo: 'answers', fanout: 'deliveries', connect: 'handshakes', idle: 'connections' } as const;

function throughputRows(result: BenchResult): string[][] {
  const { fanout, connections, elapsed_s } = result;
  const noun = nouns[result.mode];
  const rows: string[][] = [];
  if (result.mode === 'idle') {
    rows.push(['connections kept', `${count(connections.opened - connections.lost)} of ${count(connections.asked)}`]);
    return rows;
  }
  const isIncomplete = result.rate_per_s === null && (fanout !== null || result.sent > 0);
  rows.push([
    `${noun} per second`,
    result.rate_per_s === null ? (isIncomplete ? 'incomplete' : 'none') : count(result.rate_per_s),
  ]);
  if (fanout !== null) {
    const { completeness_pct, publishes, subscribers, expected, duplicates, out_of_order } = fanout;
    rows.push(['completeness', `${completeness_pct} % (${count(result.received)} of ${count(expected)} deliveries)`]);
    rows.push(['publishes', `${count(publishes)} to ${count(subscribers)} subscribers`]);
    if (duplicates > 0) rows.push(['duplicates', count(duplicates)]);
    if (out_of_order > 0) rows.push(['out of order', count(out_of_order)]);
  } else {
    rows.push([noun, `${count(result.received)} of ${count(result.sent)}`]);
  }
  if (result.mode !== 'connect' && elapsed_s > 0) {
    rows.push(['in', `${bytes(result.bytes_in)}, ${bytes(result.bytes_in / elapsed_s)}/s`]);
    rows.push(['out', `${bytes(result.bytes_out)}, ${bytes(result.bytes_out / elapsed_s)}/s`]);
  }
  if (result.rate_missed > 0) rows.push(['could not keep the rate', `${count(result.rate_missed)} not sent`]);
  if (result.unexpected > 0) rows.push(['unexpected messages', count(result.unexpected)]);
  return rows;
}

function latencyRow(name: string, values: Percentiles | null): string[][] {
  if (values === null) return [];
  const { p50, p90, p99, p999, max, mean } = values;
  return [[name, ...[p50, p90, p99, p999, max, mean].map(time)]];
}

function latencyTable(result: BenchResult): string | null {
  const isOpenLoop = result.rate_asked !== null;
  const rows = [
    ...latencyRow(
      isOpenLoop ? 'latency from when due' : 'latency',
      result.mode === 'connect' ? null : result.latency_us,
    ),
    ...latencyRow('of that, sent late by', result.mode === 'connect' ? null : result.schedule_lag_us),
    ...latencyRow('handshake', result.handshake_us),
  ];
  return rows.length === 0 ? null : plainTable(['', 'p50', 'p90', 'p99', 'p99.9', 'max', 'mean'], rows);
}

function clientLine({ client, elapsed_s }: BenchResult): string {
  const shares = client.utilization.map((share) => `${Math.round(share * 100)} %`).join(', ');
  return `client: ${client.cpu_s.toFixed(2)} s of processor time in ${elapsed_s.toFixed(2)} s; threads busy ${shares}`;
}

/** For people. Ends with a line break. */
export function resultText(result: BenchResult): string {
  const { errors, interrupted, client } = result;
  const parts = [plainTable(['', ''], throughputRows(result)).split('\n')];
  // The library leaves an empty line and a rule for headings even if there are none.
  parts[0]?.splice(1, 2);
  const lines = parts.flat();
  const latency = latencyTable(result);
  if (latency !== null) lines.push(latency);
  if (errors.total > 0) {
    const rows = Object.entries(errors.kinds).map(([kind, times]) => [kind, count(times)]);
    lines.push(plainTable(['errors', count(errors.total)], rows));
    if (errors.first !== null) lines.push(`the first error: ${errors.first}`);
  }
  lines.push(clientLine(result));
  if (client.bottleneck) {
    lines.push(
      `warning: a client thread was busy for more than ${busyShare * 100} % of the time. The client may be the bottleneck, or has too little of a processor: use more --workers, another machine, or less load.`,
    );
  }
  if (interrupted) lines.push('The run was ended early.');
  return `${lines.join('\n')}\n`;
}
