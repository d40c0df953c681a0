import type { RunRecord } from './run-record.ts';
import { say } from './words.ts';

function outcomeOf({ report, failure, disturbance }: RunRecord): string {
  if (failure !== null) return `failed: ${failure}`;
  if (report === null) return 'nothing measured';
  const cpu = report.server.cpu_us_per_message;
  const figures = [
    `${say(report.rate_per_s, 0)}/s`,
    ...(cpu === null ? [] : [`${say(cpu, 2)} µs CPU`]),
    ...(report.latency_us === null ? [] : [`p50 ${say(report.latency_us.p50, 0)} µs`]),
    ...(report.completeness_pct === null || report.completeness_pct === 100
      ? []
      : [`${report.completeness_pct} % complete`]),
  ];
  return `${figures.join(', ')}${disturbance === null ? '' : ` – left out: ${disturbance}`}`;
}

/** Tells on standard error how far a campaign is, a line for each run. */
export function progressOf(planned: number): (record: RunRecord) => void {
  let done = 0;
  return (record) => {
    if (record.attempt === 0) done++;
    const share = Math.floor((100 * done) / planned);
    const where = `${record.scenario}, ${record.contender}, round ${record.round + 1}`;
    const again = record.attempt === 0 ? '' : `, again (${record.attempt})`;
    process.stderr.write(`${String(share).padStart(3)} %  ${where}${again}: ${outcomeOf(record)}\n`);
  };
}
