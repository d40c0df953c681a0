import type { Histogram } from 'hdr-histogram-js';
import { packageVersion } from '../package-version.ts';
import type { BenchPlan } from './plan.ts';
import type { RunOutcome } from './run.ts';
import type { Tally } from './tally.ts';

/** Microseconds. */
export interface Percentiles {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What `--json` prints; docs/bench-command.md says what each field means. */
export interface BenchResult {
  readonly format: 1;
  readonly shardwire: string;
  readonly node: string;
  readonly url: string;
  readonly mode: BenchPlan['mode'];
  readonly subprotocol: string | null;
  readonly envelope: string | null;
  readonly sealed: string | null;
  readonly connections: { readonly asked: number; readonly opened: number; readonly lost: number };
  readonly publishers: number;
  readonly threads: number;
  readonly in_flight: number;
  readonly rate_asked: number | null;
  readonly payload_bytes: number;
  readonly warmup_s: number;
  readonly duration_s: number;
  readonly elapsed_s: number;
  readonly interrupted: boolean;
  readonly sent: number;
  readonly received: number;
  readonly unanswered: number;
  readonly unexpected: number;
  readonly rate_missed: number;
  readonly rate_per_s: number | null;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly latency_us: Percentiles | null;
  readonly schedule_lag_us: Percentiles | null;
  readonly handshake_us: Percentiles | null;
  readonly fanout: FanoutResult | null;
  readonly errors: {
    readonly total: number;
    readonly kinds: Readonly<Record<string, number>>;
    readonly first: string | null;
  };
  readonly client: {
    readonly cpu_s: number;
    readonly utilization: readonly number[];
    readonly bottleneck: boolean;
  };
  readonly failures: readonly string[];
}

interface FanoutResult {
  readonly publishes: number;
  readonly subscribers: number;
  readonly expected: number;
  readonly completeness_pct: number;
  readonly duplicates: number;
  readonly out_of_order: number;
}

/** Above this share of busy time a client thread measures itself, not the server. */
export const busyShare = 0.85;

function percentilesOf(histogram: Histogram): Percentiles | null {
  if (histogram.totalCount === 0) return null;
  return {
    count: histogram.totalCount,
    mean: rounded(histogram.mean, 1),
    min: histogram.getValueAtPercentile(0),
    p50: histogram.getValueAtPercentile(50),
    p90: histogram.getValueAtPercentile(90),
    p99: histogram.getValueAtPercentile(99),
    p999: histogram.getValueAtPercentile(99.9),
    max: histogram.maxValue,
  };
}

function rounded(value: number, places: number): number {
  return Number(value.toFixed(places));
}

/** Rounded down, so that 100 means complete. */
function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.floor((part / whole) * 100_000) / 1_000;
}

function fanoutResult(plan: BenchPlan, { tally, audience, subscribers }: RunOutcome): FanoutResult | null {
  if (plan.mode !== 'fanout') return null;
  const { sent, received, duplicates, outOfOrder } = tally.counts;
  const expected = sent * audience;
  return {
    publishes: sent,
    subscribers,
    expected,
    completeness_pct: percentOf(received, expected),
    duplicates,
    out_of_order: outOfOrder,
  };
}

/**
 * Whether more messages were lost than allowed: without their answers a rate means nothing. Messages in flight at
 * Ctrl+C are not lost.
 */
function isIncomplete({ thresholds }: BenchPlan, { counts, errors }: Tally): boolean {
  const isLossy = counts.unanswered > 0 || errors.kinds.has('timeout');
  return isLossy && errors.total > thresholds.errors;
}

/** Per second; null: there is no rate, or no meaningful one. */
function rateOf(plan: BenchPlan, { tally, elapsedMs }: RunOutcome, fanout: FanoutResult | null): number | null {
  if (plan.mode === 'idle' || elapsedMs === 0) return null;
  if (fanout === null ? isIncomplete(plan, tally) : fanout.completeness_pct < plan.thresholds.completeness) return null;
  return rounded((tally.counts.received * 1_000) / elapsedMs, 1);
}

/** A hint about the command line, for a server that answered but sent nothing that was expected. */
function hintOf(
  { mode, codec, timeoutMs }: BenchPlan,
  { unexpected, sent, elapsed_s, errors }: Omit<BenchResult, 'failures'>,
): string {
  if (elapsed_s === 0 || mode === 'idle' || mode === 'connect') return '';
  if (unexpected > 0) {
    const advice = codec === null ? ': does the server want a --subprotocol?' : '';
    return `, for the ${unexpected} messages that came are no ${mode === 'echo' ? 'echoes' : 'deliveries'}, or were late${advice}`;
  }
  const isSilent = Object.keys(errors.kinds).every((kind) => kind === 'timeout');
  return isSilent && errors.total + sent > 0 ? `: nothing came back (a message is waited for ${timeoutMs} ms)` : '';
}

function failuresOf(plan: BenchPlan, result: Omit<BenchResult, 'failures'>): string[] {
  const { p99Ms, belowPerSecond, completeness, errors } = plan.thresholds;
  const { fanout, latency_us, rate_per_s, received, sent } = result;
  const failures: string[] = [];
  const isMeasured = plan.mode === 'idle' ? result.connections.opened > 0 && result.elapsed_s > 0 : result.received > 0;
  if (!isMeasured) failures.push(`nothing was measured${hintOf(plan, result)}`);
  if (fanout !== null && isMeasured && fanout.completeness_pct < completeness) {
    const { completeness_pct, expected } = fanout;
    failures.push(
      `incomplete: ${completeness_pct} % arrived, ${result.received} of ${expected}; wanted ${completeness} %`,
    );
  }
  if (fanout === null && isMeasured && rate_per_s === null && plan.mode !== 'idle') {
    failures.push(`incomplete: ${received} of ${sent} ${plan.mode === 'echo' ? 'answers' : 'handshakes'} came`);
  }
  if (result.errors.total > errors) failures.push(`errors: ${result.errors.total}; allowed ${errors}`);
  const p99 = latency_us === null ? null : latency_us.p99 / 1_000;
  if (p99Ms !== null && p99 !== null && p99 > p99Ms) failures.push(`p99 is ${p99} ms; allowed ${p99Ms} ms`);
  if (p99Ms !== null && result.rate_missed > 0) {
    failures.push(`p99 is not that of the rate: ${result.rate_missed} messages that were due were not sent`);
  }
  if (belowPerSecond !== null && isMeasured && (rate_per_s ?? 0) < belowPerSecond) {
    failures.push(`${rate_per_s ?? 'no rate'} a second; wanted ${belowPerSecond}`);
  }
  return failures;
}

/** The result of a run in figures, and the bounds that it missed. */
export function resultOf(plan: BenchPlan, outcome: RunOutcome): BenchResult {
  const { tally, elapsedMs, utilization } = outcome;
  const { counts, errors } = tally;
  const fanout = fanoutResult(plan, outcome);
  const { mode } = plan;
  const result: Omit<BenchResult, 'failures'> = {
    format: 1,
    shardwire: packageVersion(),
    node: process.versions.node,
    url: plan.url,
    mode,
    subprotocol: plan.subprotocol,
    envelope: plan.codec,
    sealed: plan.seal?.form ?? null,
    connections: { asked: plan.connections + plan.publishers, opened: counts.opened, lost: counts.lost },
    publishers: plan.publishers,
    threads: plan.threads,
    in_flight: plan.inFlight,
    rate_asked: plan.ratePerSecond === 0 ? null : plan.ratePerSecond,
    payload_bytes: plan.sizeBytes,
    warmup_s: plan.warmupMs / 1_000,
    duration_s: plan.durationMs / 1_000,
    elapsed_s: rounded(elapsedMs / 1_000, 3),
    interrupted: outcome.interrupted,
    sent: counts.sent,
    received: counts.received,
    unanswered: fanout === null ? counts.unanswered : fanout.expected - counts.received,
    unexpected: counts.unexpected,
    rate_missed: counts.rateMissed,
    rate_per_s: rateOf(plan, outcome, fanout),
    bytes_in: counts.bytesIn,
    bytes_out: counts.bytesOut,
    latency_us: percentilesOf(tally.latency),
    schedule_lag_us: percentilesOf(tally.lag),
    handshake_us: percentilesOf(tally.handshakes),
    fanout,
    errors: {
      total: errors.total,
      kinds: Object.fromEntries([...errors.kinds].sort(([, one], [, other]) => other - one)),
      first: errors.first,
    },
    client: {
      cpu_s: rounded(outcome.cpuMs / 1_000, 3),
      utilization: utilization.map((share) => rounded(share, 3)),
      bottleneck: utilization.some((share) => share > busyShare),
    },
  };
  return { ...result, failures: failuresOf(plan, result) };
}
