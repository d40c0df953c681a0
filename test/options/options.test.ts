import assert from 'node:assert/strict';
import { availableParallelism, totalmem } from 'node:os';
import { describe, test } from 'node:test';
import type { EngineLogger, EngineOptions } from '#dist/main/options/engine-options.js';
import { compileOptions } from '#dist/main/options/options.js';

const silent = (): void => undefined;
const logger = { debug: silent, info: silent, warn: silent, error: silent } as EngineLogger;

/** One option: where it is, its default, what is fine, and what is not. */
interface OptionCase {
  readonly path: string;
  readonly default: unknown;
  readonly good: readonly unknown[];
  /** Values with the place that the error must name, where it is a deeper one. */
  readonly bad: readonly (readonly [value: unknown, deeper?: string])[];
}

function number(path: string, standard: number, least: number, most: number): OptionCase {
  return {
    path,
    default: standard,
    good: [least, most],
    bad: [[least - 1], [most + 1], [least + 0.5], [Number.NaN], [Infinity], [-Infinity], [String(most)], [null], [10n]],
  };
}

/** A quarter of the memory, or of what the process may have of it, for each of so many shards. */
function shardBackpressureBytes(shards: number): number {
  const constrained = process.constrainedMemory() || Infinity;
  return Math.max(65_536, Math.floor(Math.min(totalmem(), constrained) / 4 / shards));
}

/** Null is fine, and the default. */
function nullable(option: OptionCase): OptionCase {
  return {
    ...option,
    default: null,
    good: [...option.good, null],
    bad: option.bad.filter(([value]) => value !== null),
  };
}

function choice(path: string, standard: string, ...others: readonly string[]): OptionCase {
  return {
    path,
    default: standard,
    good: [standard, ...others],
    bad: [['other'], [''], [standard.toUpperCase()], [null], [1], [true]],
  };
}

function path(where: string, standard: string): OptionCase {
  return {
    path: where,
    default: standard,
    good: ['/', '/a/b-c_d.e~f', '/ä'],
    bad: [[''], ['a'], ['/a b'], ['/a?b'], ['/a#b'], ['/*'], ['/:name'], ['/a\n'], [null], [1], [/x/]],
  };
}

const cases: readonly OptionCase[] = [
  { ...number('shards', Math.max(1, availableParallelism() - 1), 1, 255) },
  { path: 'host', default: '0.0.0.0', good: ['::', 'localhost'], bad: [[''], [null], [1]] },
  number('port', 8080, 0, 65_535),
  path('path', '/ws'),
  number('backlog', 4_096, 1, 65_535),
  choice('acceptor', 'auto', 'handover', 'shard'),
  {
    path: 'placement',
    default: { by: 'connection' },
    good: [{ by: 'address' }],
    bad: [
      ['address'],
      [null],
      [[]],
      [{}, 'placement.by'],
      [{ by: 'port' }, 'placement.by'],
      [{ by: 'address', of: 1 }, 'placement.of'],
    ],
  },
  {
    path: 'subprotocols',
    default: undefined,
    good: [['json']],
    bad: [
      [[]],
      ['json'],
      [null],
      [['json', 'json']],
      [['xml'], 'subprotocols.0'],
      [['json', 'JSON'], 'subprotocols.1'],
      [[1], 'subprotocols.0'],
    ],
  },
  choice('unknownSubprotocol', 'reject', 'json'),
  choice('duplicateName', 'allow', 'reject', 'replace'),
  {
    path: 'origins',
    default: 'same-origin',
    good: ['*', [], ['https://a.example', 'http://b.example:8080', 'http://[::1]:1']],
    bad: [
      ['https://a.example'],
      [null],
      [{}],
      [['https://a.example/'], 'origins.0'],
      [['https://a.example', 'a.example'], 'origins.1'],
      [['https://a.example:443'], 'origins.0'],
      [['*'], 'origins.0'],
      [[1], 'origins.0'],
    ],
  },
  {
    path: 'trustProxy',
    default: false,
    good: [true, 0, 32, [], ['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', '2001:db8::/32', '::/0']],
    bad: [
      [-1],
      [33],
      [1.5],
      [Number.NaN],
      ['10.0.0.0/8'],
      [null],
      [{}],
      [['localhost'], 'trustProxy.0'],
      [['10.0.0.1', '10.0.0.0/33'], 'trustProxy.1'],
      [['10.0.0.0/-1'], 'trustProxy.0'],
      [['10.0.0.0/'], 'trustProxy.0'],
      [['10.0.0.0/8/8'], 'trustProxy.0'],
      [['10.0.0/8'], 'trustProxy.0'],
      [['::/129'], 'trustProxy.0'],
      [['fe80::1%eth0'], 'trustProxy.0'],
      [[''], 'trustProxy.0'],
      [[1], 'trustProxy.0'],
    ],
  },
  choice('replies', 'errors', 'off', 'all'),
  {
    path: 'handlers',
    default: null,
    good: ['file:///handlers.js'],
    bad: [['./handlers.js'], ['handlers'], [''], [null], [1], [{}]],
  },
  number('maxMessageBytes', 524_288, 128, 67_108_864),
  number('maxBackpressureBytes', 1_048_576, 1_024, 1_073_741_824),
  choice('slowConsumer', 'disconnect', 'drop'),
  { ...number('heartbeat.pingPeriodMs', 54_000, 10, 600_000), good: [10, 59_999] },
  { ...number('heartbeat.pongWaitMs', 60_000, 20, 900_000), good: [54_001, 900_000] },
  {
    path: 'heartbeat',
    default: undefined,
    good: [false, {}, { pingPeriodMs: 600_000, pongWaitMs: 600_001 }, { pingPeriodMs: 10, pongWaitMs: 20 }],
    bad: [
      [true],
      [null],
      [60_000],
      [{ pingPeriodMs: 60_000 }, 'heartbeat.pongWaitMs'],
      [{ pongWaitMs: 54_000 }, 'heartbeat.pongWaitMs'],
      [{ pingPeriodMs: 100, pongWaitMs: 100 }, 'heartbeat.pongWaitMs'],
      [{ pongWait: 1 }, 'heartbeat.pongWait'],
    ],
  },
  number('writeWaitMs', 10_000, 1, 600_000),
  {
    path: 'compression',
    default: null,
    good: [false, true, {}, { level: 1 }, { level: 9, thresholdBytes: 0 }, { thresholdBytes: 524_288 }],
    bad: [
      [null],
      [6],
      ['true'],
      [[]],
      [{ level: 0 }, 'compression.level'],
      [{ level: 10 }, 'compression.level'],
      [{ level: -1 }, 'compression.level'],
      [{ level: 1.5 }, 'compression.level'],
      [{ level: Number.NaN }, 'compression.level'],
      [{ level: '6' }, 'compression.level'],
      [{ level: null }, 'compression.level'],
      [{ level: true }, 'compression.level'],
      [{ thresholdBytes: -1 }, 'compression.thresholdBytes'],
      [{ thresholdBytes: 0.5 }, 'compression.thresholdBytes'],
      [{ thresholdBytes: 524_289 }, 'compression.thresholdBytes'],
      [{ thresholdBytes: Infinity }, 'compression.thresholdBytes'],
      [{ thresholdBytes: '1024' }, 'compression.thresholdBytes'],
      [{ threshold: 1_024 }, 'compression.threshold'],
    ],
  },
  number('limits.channelsPerConnection', 1_000, 1, 1_000_000),
  number('limits.roomsPerConnection', 1_000, 1, 1_000_000),
  number('limits.channelNameBytes', 255, 1, 4_096),
  number('limits.malformedMessages', 16, 1, 1_000_000),
  number('limits.pendingMessages', 1_024, 1, 1_000_000),
  nullable(number('limits.messagesPerSecond', 0, 1, 1_000_000)),
  nullable(number('limits.bytesPerSecond', 0, 1, 1_073_741_824)),
  // Its default depends on the system, see limits/descriptors.test.ts.
  { ...nullable(number('limits.connections', 1, 1, 10_000_000)), default: undefined },
  nullable(number('limits.connectionsPerAddress', 1, 1, 10_000_000)),
  number('limits.handshakeMs', 10_000, 10, 600_000),
  number('limits.pendingHandshakes', 1_024, 1, 1_000_000),
  number('limits.pendingHandshakesPerAddress', 256, 1, 1_000_000),
  number('limits.membershipBytes', 65_536, 1, 1_073_741_824),
  number('limits.handlerMs', 30_000, 10, 600_000),
  { ...number('ring.bytes', 4_194_304, 65_536, 1_073_741_824), good: [65_536, 131_072, 1_073_741_824] },
  { path: 'ring.bytes', default: 4_194_304, good: [], bad: [[65_537], [100_000], [1_073_741_823]] },
  number('ring.spillBytes', 67_108_864, 1_048_576, 1_073_741_824),
  path('health.live', '/healthz'),
  path('health.ready', '/readyz'),
  {
    path: 'health',
    default: { live: '/healthz', ready: '/readyz' },
    good: [false, {}],
    bad: [[true], [null], ['/healthz'], [1]],
  },
  {
    path: 'pages',
    default: {},
    good: [{ '/': { body: '' } }, { '/a.js': { body: 'x', contentType: 'text/javascript' } }],
    bad: [
      [null],
      ['/'],
      [{ nope: { body: '' } }, 'pages.nope'],
      [{ '/x': {} }, 'pages./x.body'],
      [{ '/x': 'text' }, 'pages./x'],
      [{ '/x': { body: 1 } }, 'pages./x.body'],
      [{ '/x': { body: '', contentType: 1 } }, 'pages./x.contentType'],
    ],
  },
  {
    path: 'metrics',
    default: false,
    good: [false, {}],
    bad: [[true], [null], ['/metrics'], [{ path: '' }, 'metrics.path']],
  },
  number('closeGraceMs', 1_000, 0, 600_000),
  number('restart.maxRestarts', 5, 0, 1_000),
  number('restart.windowMs', 60_000, 1_000, 86_400_000),
  number('restart.backoffMs', 100, 0, 600_000),
  number('restart.maxBackoffMs', 5_000, 0, 600_000),
  {
    path: 'restart',
    default: { maxRestarts: 5, windowMs: 60_000, backoffMs: 100, maxBackoffMs: 5_000 },
    good: [false, {}],
    bad: [[true], [null], [5], [{ max: 1 }, 'restart.max']],
  },
  number('watchdog.stalledMs', 5_000, 50, 600_000),
  { path: 'watchdog', default: { stalledMs: 5_000 }, good: [false, {}], bad: [[true], [null], [5_000]] },
  {
    path: 'maxShardHeapBytes',
    default: null,
    good: [false, 16_777_216, 1_099_511_627_776],
    bad: [[16_777_215], [1_099_511_627_777], [true], [null], ['1'], [Number.NaN]],
  },
  { path: 'insideWorker', default: undefined, good: [true, false], bad: [[null], [1], ['true']] },
  {
    ...number('maxShardBackpressureBytes', 0, 65_536, 1_099_511_627_776),
    default: shardBackpressureBytes(compileOptions().config.shards),
  },
  {
    path: 'logger',
    default: undefined,
    good: [logger, console],
    bad: [[null], [{}], [silent], [{ ...logger, warn: 1 }], [{ info: silent }]],
  },
];

/** `{ [first]: { [second]: value } }` for `first.second`. */
function optionsWith(where: string, value: unknown): EngineOptions {
  const [first = '', second] = where.split('.');
  const spill = where === 'maxMessageBytes' ? { ring: { spillBytes: 1_073_741_824 } } : {};
  const small = where === 'ring.spillBytes' ? { maxMessageBytes: 128 } : {};
  return { ...spill, ...small, [first]: second === undefined ? value : { [second]: value } } as EngineOptions;
}

function usedValue(options: EngineOptions, where: string): unknown {
  const compiled = compileOptions(options);
  let value: unknown = { ...compiled.config, closeGraceMs: compiled.closeGraceMs, logger: compiled.logger };
  for (const key of where.split('.')) value = Reflect.get(value as object, key);
  return value;
}

describe('options', () => {
  for (const { path: where, default: standard, good, bad } of cases) {
    test(`${where}: the default, the bounds and every wrong value`, () => {
      if (standard !== undefined) {
        assert.deepEqual(usedValue({}, where), standard);
        // Written as undefined, as a spread of half-filled options does, is not written.
        assert.deepEqual(usedValue(optionsWith(where, undefined), where), standard);
      }
      for (const value of good)
        assert.doesNotThrow(() => usedValue(optionsWith(where, value), where), `${where} ${String(value)}`);
      for (const [value, deeper = where] of bad) {
        assert.throws(
          () => compileOptions(optionsWith(where, value)),
          (error: { code?: string; path?: string; given?: unknown; allowed?: string; message?: string }) => {
            assert.equal(error.code, 'ERR_OPTION_INVALID');
            assert.equal(error.path, deeper, `${where}: ${JSON.stringify(String(value))}`);
            if (deeper === where) assert.deepEqual(error.given, value);
            assert.ok(error.allowed !== undefined && error.allowed.length > 1);
            assert.ok(error.message?.startsWith(`option "${deeper}" is `), error.message);
            assert.ok(error.message?.endsWith(`; allowed: ${error.allowed}`), error.message);
            return true;
          },
        );
      }
    });
  }

  test('what is written is what is used', () => {
    const lines: unknown[][] = [];
    const write = (...line: unknown[]): void => {
      lines.push(line);
    };
    const logger = { debug: write, info: write, warn: write, error: write } as EngineLogger;
    const written: EngineOptions = {
      shards: 3,
      host: '::1',
      port: 0,
      path: '/chat',
      placement: { by: 'address' },
      origins: ['HTTPS://A.example'],
      limits: { channelNameBytes: 64 },
      ring: { bytes: 65_536 },
      health: { live: '/up' },
      pages: { '/': { body: 'x' } },
      handlers: new URL('file:///srv/handlers.js'),
      logger,
    };
    const { config, logger: used } = compileOptions(written);
    used.warn({ shard: 1 }, 'heard');
    assert.deepEqual(lines, [[{ shard: 1 }, 'heard']]);
    assert.doesNotThrow(() => used.error('nobody hears it'));
    assert.deepEqual(
      [config.shards, config.host, config.port, config.path, config.placement.by],
      [3, '::1', 0, '/chat', 'address'],
    );
    assert.deepEqual(config.origins, ['https://a.example']);
    assert.deepEqual(config.limits, { ...compileOptions({}).config.limits, channelNameBytes: 64 });
    assert.deepEqual(config.ring, { bytes: 65_536, spillBytes: 67_108_864 });
    assert.deepEqual(config.health, { live: '/up', ready: '/readyz' });
    assert.deepEqual(config.pages, { '/': { body: 'x', contentType: 'text/html; charset=utf-8' } });
    assert.equal(config.handlers, 'file:///srv/handlers.js');
  });

  test('a name that is no option is refused at every depth, and named', () => {
    for (const [options, where] of [
      [{ shard: 4 }, 'shard'],
      [{ PORT: 1 }, 'PORT'],
      [{ placement: { by: 'address', mode: 1 } }, 'placement.mode'],
      [{ limits: { connection: 1 } }, 'limits.connection'],
      [{ ring: { size: 1 } }, 'ring.size'],
      [{ health: { liv: '/x' } }, 'health.liv'],
      [{ pages: { '/x': { body: '', type: 'a' } } }, 'pages./x.type'],
    ] as const) {
      assert.throws(() => compileOptions(options as object), {
        code: 'ERR_OPTION_INVALID',
        path: where,
        allowed: 'nothing, there is no such option',
      });
    }
  });

  test('compression is off, or complete: level 1 from 1,024 bytes on, unless told otherwise', () => {
    const compiled = (options: EngineOptions): unknown => compileOptions(options).config.compression;
    assert.equal(compiled({ compression: false }), null);
    assert.deepEqual(compiled({ compression: true }), { level: 1, thresholdBytes: 1_024 });
    assert.deepEqual(compiled({ compression: {} }), { level: 1, thresholdBytes: 1_024 });
    assert.deepEqual(compiled({ compression: { level: 6 } }), { level: 6, thresholdBytes: 1_024 });
    assert.deepEqual(compiled({ compression: { thresholdBytes: 0 } }), { level: 1, thresholdBytes: 0 });
    for (let level = 1; level <= 9; level++) {
      assert.deepEqual(compiled({ compression: { level, thresholdBytes: 7 } }), { level, thresholdBytes: 7 });
    }
  });

  test('the threshold of compression is at most the largest message, also where that is below the default', () => {
    assert.deepEqual(compileOptions({ compression: true, maxMessageBytes: 128 }).config.compression, {
      level: 1,
      thresholdBytes: 128,
    });
    assert.throws(() => compileOptions({ compression: { thresholdBytes: 129 }, maxMessageBytes: 128 }), {
      code: 'ERR_OPTION_INVALID',
      path: 'compression.thresholdBytes',
      given: 129,
      allowed: 'at most 128 (maxMessageBytes)',
    });
  });

  test('a heartbeat waits longer for a pong than to send a ping, or is off', () => {
    const compiled = (heartbeat: EngineOptions['heartbeat']): unknown =>
      compileOptions(heartbeat === undefined ? {} : { heartbeat }).config.heartbeat;
    assert.deepEqual(compiled(undefined), { pingPeriodMs: 54_000, pongWaitMs: 60_000 });
    assert.deepEqual(compiled({ pingPeriodMs: 25_000 }), { pingPeriodMs: 25_000, pongWaitMs: 60_000 });
    assert.equal(compiled(false), null);
    assert.throws(() => compileOptions({ heartbeat: { pingPeriodMs: 60_000 } }), {
      code: 'ERR_OPTION_INVALID',
      path: 'heartbeat.pongWaitMs',
      given: 60_000,
      allowed: 'more than 60000 (heartbeat.pingPeriodMs)',
    });
  });

  test('the spill queue must hold four of the largest messages', () => {
    assert.throws(() => compileOptions({ maxMessageBytes: 1_048_576, ring: { spillBytes: 4_194_303 } }), {
      code: 'ERR_OPTION_INVALID',
      path: 'ring.spillBytes',
      given: 4_194_303,
      allowed: 'at least 4194304',
    });
    assert.doesNotThrow(() => compileOptions({ maxMessageBytes: 1_048_576, ring: { spillBytes: 4_194_304 } }));
  });

  test('the path of metrics has its default, and is not one that something else is at', () => {
    assert.deepEqual(compileOptions({ metrics: {} }).config.metrics, { path: '/metrics' });
    for (const options of [
      { metrics: { path: '/healthz' } },
      { metrics: { path: '/up' }, health: { ready: '/up' } },
      { metrics: {}, pages: { '/metrics': { body: '' } } },
    ]) {
      const given = { path: '/metrics', ...options.metrics }.path;
      assert.throws(() => compileOptions(options), { code: 'ERR_OPTION_INVALID', path: 'metrics.path', given });
    }
    assert.doesNotThrow(() => compileOptions({ metrics: { path: '/healthz' }, health: false }));
  });

  test('the unsent bytes of all shards have a quarter of the memory together', () => {
    for (const shards of [1, 3, 8]) {
      assert.equal(compileOptions(shards).config.maxShardBackpressureBytes, shardBackpressureBytes(shards));
    }
  });

  test('a number is the number of shards', () => {
    assert.equal(compileOptions(3).config.shards, 3);
    assert.deepEqual(compileOptions(3).config, compileOptions({ shards: 3 }).config);
    for (const given of [0, -1, 1.5, Number.NaN, 256]) {
      assert.throws(() => compileOptions(given), { code: 'ERR_OPTION_INVALID', path: 'shards', given });
    }
  });

  test('what are no options at all is refused', () => {
    for (const given of [null, '4', [], true, 4n, silent]) {
      assert.throws(() => compileOptions(given as unknown as EngineOptions), {
        code: 'ERR_OPTION_INVALID',
        path: '',
        given,
      });
    }
  });

  test('a value that cannot be printed is still named', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const given of [circular, Symbol('x'), silent, 10n]) {
      assert.throws(() => compileOptions({ host: given } as unknown as EngineOptions), { path: 'host', given });
    }
  });

  test('the configuration is frozen to the last field, and what the user wrote is not', () => {
    const written = {
      subprotocols: ['json' as const],
      limits: {},
      pages: { '/': { body: 'x' } },
      origins: ['https://a.example'],
    };
    const { config } = compileOptions(written);
    const look = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      assert.ok(Object.isFrozen(value));
      for (const inner of Object.values(value)) look(inner);
    };
    look(config);
    for (const mine of [written, ...Object.values(written), written.pages['/']]) assert.ok(!Object.isFrozen(mine));
    written.pages['/'].body = 'y';
    assert.equal(config.pages['/']?.body, 'x');
  });

  test('the configuration can be sent to a thread', () => {
    const { config } = compileOptions({ logger, handlers: new URL('file:///h.js') });
    assert.deepEqual(structuredClone(config), config);
  });
});
