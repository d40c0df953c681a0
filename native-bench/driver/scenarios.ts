export type Mode = 'echo' | 'fanout' | 'latency' | 'idle' | 'connect';
export type Family = 'echo' | 'fan-out' | 'inside' | 'connections';

/** One thing that is measured. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Scenarios of one family share a chart. */
  readonly family: Family;
  readonly mode: Mode;
  /** Data of a message, without whatever the contender wraps around it. */
  readonly dataBytes: number;
  /** Those that are counted; in a fan-out the subscribers. */
  readonly connections: number;
  /** Messages in flight, per connection; in a fan-out publishes, in all. */
  readonly pipeline: number;
  /** Messages or publishes per second, open loop; 0: closed loop. */
  readonly ratePerS: number;
  readonly threads: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Rounds are no more than this, for what takes long and hardly varies; null: as many as asked for. */
  readonly mostRounds: number | null;
  /** Names of contenders, in the order of the tables. */
  readonly contenders: readonly string[];
  /** Those of them that the others are measured against. */
  readonly yardsticks: readonly string[];
  readonly isQuick: boolean;
  /** What the figures do not say by themselves. */
  readonly statement: string | null;
}

const everyone = ['uws', 'ws', 'socketio', 'bun', 'shardwire-json'] as const;
const otherCodecs = ['shardwire-msgpack', 'shardwire-protobuf', 'shardwire-flatbuffers'] as const;
const kib = 1024;

const common = {
  ratePerS: 0,
  pipeline: 1,
  threads: 1,
  warmupMs: 400,
  durationMs: 1_000,
  mostRounds: null,
  yardsticks: ['uws'],
  isQuick: true,
  statement: null,
} as const;

const echo = {
  ...common,
  family: 'echo',
  mode: 'echo',
  connections: 64,
  contenders: everyone,
  yardsticks: ['uws', 'ws'],
} as const;

const fanout = {
  ...common,
  family: 'fan-out',
  mode: 'fanout',
  dataBytes: 128,
  contenders: everyone,
  yardsticks: ['uws', 'ws', 'bun'],
} as const;

/** Shards that a machine can tell apart, besides one: two, and as many as there are processors. */
function shardCounts(cores: number): readonly number[] {
  return cores > 2 ? [2, cores] : [2];
}

function scaling(cores: number): Scenario {
  const threads = Math.max(1, cores >> 1);
  const counts = shardCounts(cores);
  const tooMany = counts.filter((count) => count + threads > cores);
  const verb = `${tooMany.join(' and ')} shards and the load generator's ${threads === 1 ? 'thread' : `${threads} threads`}`;
  return {
    ...echo,
    name: 'shards',
    title: 'Shard scaling: echo, 64 B, 16 in flight',
    family: 'inside',
    dataBytes: 64,
    pipeline: 16,
    threads,
    contenders: [
      'uws',
      ...counts.map((count) => `uws-sharded-${count}`),
      'shardwire-json',
      ...counts.map((count) => `shardwire-${count}`),
    ],
    yardsticks: ['uws'],
    isQuick: false,
    statement:
      tooMany.length === 0
        ? null
        : `This machine is too small to tell: ${verb} share its ${cores} processors, so throughput cannot show what ` +
          'another shard is worth. CPU per message can show what it costs.',
  };
}

/** Everything that is measured, on a machine with so many processors. */
export function scenariosFor(cores: number): readonly Scenario[] {
  return [
    {
      ...echo,
      name: 'echo-64',
      title: 'Echo, 64 B, one in flight',
      dataBytes: 64,
      contenders: [...everyone, ...otherCodecs],
    },
    {
      ...echo,
      name: 'echo-64-p16',
      title: 'Echo, 64 B, 16 in flight',
      dataBytes: 64,
      pipeline: 16,
      contenders: [...everyone, ...otherCodecs],
    },
    {
      ...echo,
      name: 'echo-16k',
      title: 'Echo, 16 KB, one in flight',
      dataBytes: 16 * kib,
      contenders: [...everyone, 'shardwire-msgpack'],
      isQuick: false,
    },
    {
      ...echo,
      name: 'echo-16k-p16',
      title: 'Echo, 16 KB, 16 in flight',
      dataBytes: 16 * kib,
      pipeline: 16,
      contenders: [...everyone, 'shardwire-msgpack'],
      isQuick: false,
    },
    {
      ...echo,
      name: 'echo-1m',
      title: 'Echo, 1 MB, one in flight',
      dataBytes: 1_048_576,
      connections: 8,
      contenders: [...everyone, 'shardwire-msgpack'],
    },
    { ...fanout, name: 'fanout-200', title: 'Fan-out to 200, 128 B', connections: 200 },
    {
      ...fanout,
      name: 'fanout-200-p16',
      title: 'Fan-out to 200, 128 B, 16 publishes in flight',
      connections: 200,
      pipeline: 16,
    },
    { ...fanout, name: 'fanout-1000', title: 'Fan-out to 1,000, 128 B', connections: 1_000 },
    { ...fanout, name: 'fanout-2000', title: 'Fan-out to 2,000, 128 B', connections: 2_000, isQuick: false },
    {
      ...fanout,
      name: 'fanout-1000-p64',
      title: 'Fan-out to 1,000, 128 B, 64 publishes in flight',
      connections: 1_000,
      pipeline: 64,
    },
    {
      ...fanout,
      name: 'fanout-1000-fixed',
      title: 'Fan-out to 1,000, 128 B, 100 publishes/s',
      connections: 1_000,
      ratePerS: 100,
      contenders: ['uws', 'uws-sharded-2', 'shardwire-json', 'shardwire-2'],
      yardsticks: ['uws'],
      isQuick: false,
      statement:
        'The rate is given, so what counts is the CPU per delivery and the latency. Each of two bare shards reaches ' +
        'only its own part of the audience: nothing connects them. That shows as completeness, and is not ranked.',
    },
    {
      ...fanout,
      name: 'fanout-mixed',
      title: 'Fan-out to 1,000, 128 B, a quarter of them per codec',
      family: 'inside',
      connections: 1_000,
      contenders: ['shardwire-json', 'shardwire-mixed'],
      yardsticks: ['shardwire-json'],
    },
    {
      ...fanout,
      name: 'fanout-sealed',
      title: 'Fan-out to 1,000, 128 B, sealed with the engine keys (AES-256-GCM and HMAC-SHA256)',
      family: 'inside',
      connections: 1_000,
      contenders: ['shardwire-json', 'shardwire-sealed'],
      yardsticks: ['shardwire-json'],
      statement: 'The load generator counts messages and bytes; it opens none. That the first one opens is checked.',
    },
    {
      ...common,
      name: 'cross-shard',
      title: 'One-way time of a publish to one subscriber, 128 B, 500/s',
      family: 'inside',
      mode: 'latency',
      dataBytes: 128,
      connections: 1,
      ratePerS: 500,
      durationMs: 2_000,
      contenders: ['shardwire-together', 'shardwire-apart'],
      yardsticks: ['shardwire-together'],
    },
    scaling(cores),
    {
      ...common,
      name: 'idle',
      title: '10,000 idle connections',
      family: 'connections',
      mode: 'idle',
      dataBytes: 64,
      connections: 10_000,
      // As long as Node needs to give back what it does not use.
      durationMs: 5_000,
      mostRounds: 2,
      contenders: everyone,
      isQuick: false,
      statement:
        'Memory that the server has more with them than before. 1,000 connections were there already, so that what a ' +
        'process makes once is not theirs. Each thread collects its garbage all the while, and the young generation of ' +
        'Node is held at 1 MB, so that the reserve of the collector is not theirs either.',
    },
    {
      ...common,
      name: 'connect',
      title: 'Connections opened and closed, 32 at a time',
      family: 'connections',
      mode: 'connect',
      dataBytes: 64,
      connections: 32,
      contenders: everyone,
    },
  ];
}
