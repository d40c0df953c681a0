import type { LoadgenReport } from './loadgen-report.ts';
import type { Mode, Scenario } from './scenarios.ts';

export type MetricName =
  | 'rate'
  | 'cpuUs'
  | 'p50Us'
  | 'p99Us'
  | 'memoryMb'
  | 'bytesPerConnection'
  | 'serverCpuPct'
  | 'clientCpuPct';

/** Something that a run tells. */
export interface Metric {
  readonly name: MetricName;
  readonly title: string;
  readonly better: 'more' | 'less';
  readonly digits: number;
  readonly of: (report: LoadgenReport, scenario: Scenario) => number | null;
}

function messageOf(mode: Mode): string {
  if (mode === 'connect') return 'handshake';
  return mode === 'fanout' || mode === 'latency' ? 'delivery' : 'message';
}

function percentile(name: 'p50' | 'p99'): Metric['of'] {
  return ({ latency_us }) => latency_us?.[name] ?? null;
}

/** What is told of a scenario's runs, in the order of its table. */
export function metricsOf({ mode }: Pick<Scenario, 'mode'>): readonly Metric[] {
  const message = messageOf(mode);
  const metrics: Record<MetricName, Metric> = {
    rate: {
      name: 'rate',
      title: message === 'delivery' ? 'deliveries/s' : `${message}s/s`,
      better: 'more',
      digits: 0,
      of: ({ rate_per_s }) => rate_per_s,
    },
    cpuUs: {
      name: 'cpuUs',
      title: `server CPU µs per ${message}`,
      better: 'less',
      digits: 2,
      of: ({ server }) => server.cpu_us_per_message,
    },
    p50Us: { name: 'p50Us', title: 'p50 µs', better: 'less', digits: 0, of: percentile('p50') },
    p99Us: { name: 'p99Us', title: 'p99 µs', better: 'less', digits: 0, of: percentile('p99') },
    memoryMb: {
      name: 'memoryMb',
      title: 'memory MB',
      better: 'less',
      digits: 0,
      of: ({ server: { pss_after_kb } }) => (pss_after_kb === null ? null : pss_after_kb / 1024),
    },
    bytesPerConnection: {
      name: 'bytesPerConnection',
      title: 'bytes per connection',
      better: 'less',
      digits: 0,
      of: ({ server: { pss_before_kb, pss_after_kb } }, { connections }) =>
        pss_before_kb === null || pss_after_kb === null ? null : ((pss_after_kb - pss_before_kb) * 1024) / connections,
    },
    serverCpuPct: {
      name: 'serverCpuPct',
      title: 'server CPU %',
      better: 'less',
      digits: 0,
      of: ({ server, elapsed_s }) => (elapsed_s > 0 ? (100 * server.cpu_s) / elapsed_s : null),
    },
    clientCpuPct: {
      name: 'clientCpuPct',
      title: 'client CPU %',
      better: 'less',
      digits: 0,
      of: ({ client_cpu_share }) => 100 * client_cpu_share,
    },
  };
  const names: Record<Mode, readonly MetricName[]> = {
    echo: ['rate', 'cpuUs', 'p50Us', 'p99Us', 'memoryMb', 'serverCpuPct', 'clientCpuPct'],
    fanout: ['rate', 'cpuUs', 'p50Us', 'p99Us', 'memoryMb', 'serverCpuPct', 'clientCpuPct'],
    connect: ['rate', 'cpuUs', 'p50Us', 'p99Us', 'serverCpuPct', 'clientCpuPct'],
    latency: ['p50Us', 'p99Us', 'cpuUs'],
    idle: ['bytesPerConnection', 'memoryMb'],
  };
  return names[mode].map((name) => metrics[name]);
}

/** Those that one server is measured against another by. */
export function rankedMetrics({ mode, ratePerS }: Pick<Scenario, 'mode' | 'ratePerS'>): readonly MetricName[] {
  if (mode === 'latency') return ['p50Us'];
  if (mode === 'idle') return ['bytesPerConnection'];
  // With a given rate everybody who keeps up has the same.
  return ratePerS > 0 ? ['cpuUs', 'p50Us'] : ['rate', 'cpuUs'];
}
