import { isIP } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { type CodecName, codecs } from '../../shared/codec/index.ts';
import { deepFreeze, type EngineConfig, type SecurityPolicy } from '../../shared/config/config.ts';
import { type KeyRing, noKeys } from '../../shared/config/key-ring.ts';
import type { OffloadConfig } from '../../shared/config/offload.ts';
import { EngineError } from '../../shared/errors/index.ts';
import { maxConsumers, maxRingBytes, minRingBytes } from '../../shared/ring/index.ts';
import { checkAesKey, checkHmacKey } from '../../shared/security/index.ts';
import { connectionsThatFit, descriptorLimit } from './descriptor-limit.ts';
import type { EngineLogger, EngineOptions, TlsOptions } from './engine-options.ts';
import { guardedLogger, wantsDebug } from './logger.ts';
import { optionError } from './option-error.ts';
import { withPreset } from './preset.ts';
import { type TlsSource, tlsSchema } from './tls-options.ts';

/** The configuration of the shards, and what main keeps to itself. */
export interface CompiledOptions {
  readonly config: EngineConfig;
  /** Apart from the rest, so that a configuration can be shown and a key cannot. */
  readonly keys: KeyRing;
  /** Null: plain TCP. */
  readonly tls: TlsSource | null;
  readonly closeGraceMs: number;
  readonly startTimeoutMs: number;
  readonly logger: EngineLogger;
  /** Whether the engine may start in a worker thread. */
  readonly insideWorker: boolean;
}

const codecNames = codecs.map((codec) => codec.name);

const greatestMessageBytes = 67_108_864;
const leastShardBackpressureBytes = 65_536;

function whole(least: number, most: number): z.ZodNumber {
  return z.number().int().min(least).max(most);
}

const urlPath = z.string().regex(/^\/[^\s?#*:]*$/, 'a path that begins with / and has no ?, #, *, : or space');

/** As a `Host` header has it; without a port any port is meant. */
const hostName = z
  .string()
  .max(260)
  .regex(
    /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:[\]/?#@,]+)(?::\d{1,5})?$/,
    'a host such as chat.example.com or [::1], with or without a port',
  )
  .toLowerCase();

/** One that a browser sends: also that of an app's own scheme, such as capacitor://localhost. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol } = new URL(text);
  if (origin !== 'null') return origin === text.toLowerCase();
  return protocol !== 'file:' && /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(text);
}

const handlersUrl = z
  .union([z.instanceof(URL), z.string()])
  .refine((value) => URL.canParse(String(value)), 'a URL, such as new URL("./handlers.js", import.meta.url)')
  .transform((value) => new URL(value).href);

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

const network = z.string().refine(isNetwork, 'an IP address, or a network such as 10.0.0.0/8');

const loggerShape = z.custom<EngineLogger>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function'),
  'an object with the methods debug, info, warn and error, such as a pino logger',
);

/** Takes a key as the security leaf does, which says what is wrong with one without showing it. */
function key(check: (value: unknown) => Uint8Array, allowed: string) {
  return z.unknown().transform((value, context): Uint8Array => {
    try {
      return check(value);
    } catch {
      context.addIssue({ code: 'custom', message: allowed });
      return z.NEVER;
    }
  });
}

const aesKey = key((value) => checkAesKey(value), 'a Uint8Array of exactly 32 bytes');
const hmacKey = key((value) => checkHmacKey(value), 'a Uint8Array of at least 1 byte');

/** What may be written, completed with defaults. docs/options.md describes each option. */
const optionSchema = z.strictObject({
  preset: z.enum(['public']).optional(),
  open: z.boolean().default(false),
  shards: whole(1, maxConsumers - 1).default(() => Math.max(1, availableParallelism() - 1)),
  host: z.string().min(1).default('0.0.0.0'),
  port: whole(0, 65_535).default(8080),
  path: urlPath.default('/ws'),
  backlog: whole(1, 65_535).default(4096),
  acceptor: z.enum(['auto', 'handover', 'shard']).default('auto'),
  placement: z.strictObject({ by: z.enum(['connection', 'address']) }).default({ by: 'connection' }),
  subprotocols: z
    .array(z.enum(codecNames as [CodecName, ...CodecName[]]))
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'each name once')
    .default(() => [...codecNames]),
  unknownSubprotocol: z.enum(['reject', 'json']).default('reject'),
  duplicateName: z.enum(['allow', 'reject', 'replace']).default('allow'),
  origins: z
    .union([
      z.literal('same-origin'),
      z.literal('*'),
      z.array(
        z
          .string()
          .refine(isOrigin, 'an origin, such as https://example.com, without a path or a default port')
          .toLowerCase(),
      ),
    ])
    .default('same-origin'),
  hosts: z.array(hostName).max(1_024).nullable().default(null),
  trustProxy: z.union([z.boolean(), whole(0, 32), z.array(network).max(1_024)]).default(false),
  replies: z.enum(['off', 'errors', 'all']).default('errors'),
  handlers: handlersUrl.optional(),
  maxMessageBytes: whole(128, greatestMessageBytes).default(524_288),
  maxBackpressureBytes: whole(1_024, 1_073_741_824).default(1_048_576),
  slowConsumer: z.enum(['disconnect', 'drop']).default('disconnect'),
  heartbeat: z
    .union([
      z.literal(false),
      z.strictObject({
        pingPeriodMs: whole(10, 600_000).default(54_000),
        pongWaitMs: whole(20, 900_000).default(60_000),
      }),
    ])
    .prefault({}),
  writeWaitMs: whole(1, 600_000).default(10_000),
  compression: z
    .union([
      z.boolean(),
      z.strictObject({
        level: whole(1, 9).optional(),
        thresholdBytes: whole(0, greatestMessageBytes).optional(),
      }),
    ])
    .default(false),
  limits: z
    .strictObject({
      channelsPerConnection: whole(1, 1_000_000).default(1_000),
      roomsPerConnection: whole(1, 1_000_000).default(1_000),
      channelNameBytes: whole(1, 4_096).default(255),
      malformedMessages: whole(1, 1_000_000).default(16),
      pendingMessages: whole(1, 1_000_000).default(1_024),
      messagesPerSecond: whole(1, 1_000_000).nullable().default(null),
      bytesPerSecond: whole(1, 1_073_741_824).nullable().default(null),
      connections: whole(1, 10_000_000).nullable().optional(),
      connectionsPerAddress: whole(1, 10_000_000).nullable().default(null),
      handshakeMs: whole(10, 600_000).default(10_000),
      pendingHandshakes: whole(1, 1_000_000).default(1_024),
      pendingHandshakesPerAddress: whole(1, 1_000_000).default(256),
      membershipBytes: whole(1, 1_073_741_824).default(65_536),
      handlerMs: whole(10, 600_000).default(30_000),
    })
    .prefault({}),
  security: z
    .strictObject({
      aesKey: aesKey.optional(),
      hmacKey: hmacKey.optional(),
      keyId: whole(0, 255).default(0),
      signThenEncrypt: z.boolean().default(true),
      compress: z
        .union([
          z.boolean(),
          z.strictObject({ level: whole(1, 9).default(6), thresholdBytes: whole(0, 67_108_864).default(1_024) }),
        ])
        .default(false),
      replayProtection: z.enum(['off', 'optional', 'required']).default('optional'),
      maxFailures: whole(1, 1_000_000).default(3),
      forgeable: z.array(z.enum(['codecs', 'deflate', 'seal2'])).default([]),
    })
    .optional(),
  offload: z
    .union([
      z.literal(false),
      z.strictObject({
        threads: whole(0, 64).optional(),
        maxQueue: whole(1, 65_536).default(64),
        timeoutMs: whole(10, 600_000).default(5_000),
        thresholdBytes: z
          .strictObject({
            seal: whole(0, 67_108_864).default(65_536),
            open: whole(0, 67_108_864).default(65_536),
            deflate: whole(0, 67_108_864).default(16_384),
            inflate: whole(0, 67_108_864).default(16_384),
          })
          .prefault({}),
      }),
    ])
    .prefault({}),
  ring: z
    .strictObject({
      bytes: whole(Math.max(minRingBytes, 65_536), maxRingBytes)
        .refine((bytes) => (bytes & (bytes - 1)) === 0, 'a power of two')
        .default(4_194_304),
      spillBytes: whole(1_048_576, 1_073_741_824).default(67_108_864),
    })
    .prefault({}),
  health: z
    .union([z.literal(false), z.strictObject({ live: urlPath.default('/healthz'), ready: urlPath.default('/readyz') })])
    .prefault({}),
  pages: z
    .record(urlPath, z.strictObject({ contentType: z.string().default('text/html; charset=utf-8'), body: z.string() }))
    .default({}),
  tls: tlsSchema.optional(),
  metrics: z.union([z.literal(false), z.strictObject({ path: urlPath.default('/metrics') })]).default(false),
  closeGraceMs: whole(0, 600_000).default(1_000),
  startTimeoutMs: whole(100, 600_000).default(30_000),
  restart: z
    .union([
      z.literal(false),
      z.strictObject({
        maxRestarts: whole(0, 1_000).default(5),
        windowMs: whole(1_000, 86_400_000).default(60_000),
        backoffMs: whole(0, 600_000).default(100),
        maxBackoffMs: whole(0, 600_000).default(5_000),
      }),
    ])
    .prefault({}),
  watchdog: z.union([z.literal(false), z.strictObject({ stalledMs: whole(50, 600_000).default(5_000) })]).prefault({}),
  maxShardHeapBytes: z.union([z.literal(false), whole(16_777_216, 1_099_511_627_776)]).optional(),
  maxShardBackpressureBytes: whole(leastShardBackpressureBytes, 1_099_511_627_776).optional(),
  logger: loggerShape.optional(),
  insideWorker: z.boolean().default(false),
});

type ParsedOptions = z.output<typeof optionSchema>;
type ParsedSecurity = NonNullable<ParsedOptions['security']>;

const compressDefaults = { level: 6, thresholdBytes: 1_024 };

function securityPolicy(security: ParsedSecurity): SecurityPolicy {
  const { signThenEncrypt, compress, replayProtection, maxFailures, forgeable } = security;
  return {
    signThenEncrypt,
    compress: compress === true ? compressDefaults : compress === false ? null : compress,
    replayProtection,
    maxFailures,
    isKeyed: security.aesKey !== undefined || security.hmacKey !== undefined,
    forgeable,
  };
}

function keyRing({ aesKey: aes, hmacKey: hmac, keyId }: ParsedSecurity): KeyRing {
  return { ...noKeys, current: { id: keyId, aesKey: aes ?? null, hmacKey: hmac ?? null } };
}

/** One thread for each core that no shard and not main is on, at least one. */
function offloadConfig(offload: ParsedOptions['offload'], shards: number): OffloadConfig {
  const threads = Math.max(1, availableParallelism() - shards - 1);
  if (offload !== false) return { ...offload, threads: offload.threads ?? threads };
  return { threads: 0, maxQueue: 1, timeoutMs: 1, thresholdBytes: { seal: 0, open: 0, deflate: 0, inflate: 0 } };
}

function compileCompression(
  given: z.infer<typeof optionSchema>['compression'],
  maxMessageBytes: number,
): EngineConfig['compression'] {
  if (given === false) return null;
  const { level = 1, thresholdBytes = Math.min(1_024, maxMessageBytes) } = given === true ? {} : given;
  if (thresholdBytes > maxMessageBytes) {
    const path = 'compression.thresholdBytes';
    const allowed = `at most ${maxMessageBytes} (maxMessageBytes)`;
    const text = `option "${path}" is ${thresholdBytes}; allowed: ${allowed}`;
    throw new EngineError('ERR_OPTION_INVALID', text, { path, given: thresholdBytes, allowed });
  }
  return { level, thresholdBytes };
}

function compileLimits(given: ParsedOptions['limits'], shards: number): EngineConfig['limits'] {
  const { connections } = given;
  // Null says that there shall be no limit.
  if (connections !== undefined) return { ...given, connections };
  return { ...given, connections: connectionsThatFit(descriptorLimit(), shards) };
}

/** The machine's memory, or what a container leaves of it to this process, in bytes. */
function memoryBytes(): number {
  // 0, or more than there is: no bound.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function shardBackpressureBytes(shards: number): number {
  return Math.max(leastShardBackpressureBytes, Math.floor(memoryBytes() / 4 / shards));
}

function compileHeartbeat(given: ParsedOptions['heartbeat']): EngineConfig['heartbeat'] {
  if (given === false) return null;
  const { pingPeriodMs, pongWaitMs } = given;
  if (pongWaitMs > pingPeriodMs) return given;
  const path = 'heartbeat.pongWaitMs';
  const allowed = `more than ${pingPeriodMs} (heartbeat.pingPeriodMs)`;
  const text = `option "${path}" is ${pongWaitMs}; allowed: ${allowed}`;
  throw new EngineError('ERR_OPTION_INVALID', text, { path, given: pongWaitMs, allowed });
}

/** One path has one answer. */
function checkMetricsPath({ metrics, health, pages }: Pick<ParsedOptions, 'metrics' | 'health' | 'pages'>): void {
  if (metrics === false) return;
  const given = metrics.path;
  const taken = Object.hasOwn(pages, given) || (health !== false && [health.live, health.ready].includes(given));
  if (!taken) return;
  const allowed = 'a path that is neither one of health nor one of pages';
  const text = `option "metrics.path" is "${given}"; allowed: ${allowed}`;
  throw new EngineError('ERR_OPTION_INVALID', text, { path: 'metrics.path', given, allowed });
}

/** What `preset: 'public'` demands besides its values. True: the handler module must have `authorize`. */
function checkPreset({ preset, open, handlers, security }: ParsedOptions): boolean {
  if (preset !== 'public') return false;
  if (security !== undefined && security.replayProtection !== 'required') {
    const path = 'security.replayProtection';
    const given = security.replayProtection;
    const text = `option "${path}" is "${given}"; allowed: "required" with preset "public"`;
    throw new EngineError('ERR_OPTION_INVALID', text, { path, given, allowed: '"required"' });
  }
  if (open) return false;
  if (handlers !== undefined) return true;
  const allowed = 'with a handler module that has "authorize", or with open: true';
  const text = `option "preset" is "public"; allowed: only ${allowed}`;
  throw new EngineError('ERR_OPTION_INVALID', text, { path: 'preset', given: preset, allowed });
}

/**
 * Checks and completes what a user wrote, once. Throws `ERR_OPTION_INVALID` that names the option's path, the value
 * given and what is allowed.
 */
export function compileOptions(input: number | EngineOptions = {}): CompiledOptions {
  const given = withPreset(typeof input === 'number' ? { shards: input } : input);
  const parsed = optionSchema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    if (issue === undefined) throw parsed.error;
    throw optionError(given, issue);
  }
  const demandsAuthorize = checkPreset(parsed.data);
  const { preset: _preset, open: _open, ...options } = parsed.data;
  const { logger, closeGraceMs, startTimeoutMs, handlers, security, offload, compression, heartbeat, ...others } =
    options;
  const { tls, insideWorker, ...rest } = others;
  const { restart, watchdog, limits } = rest;
  if (rest.maxMessageBytes * 4 > rest.ring.spillBytes) {
    throw new EngineError(
      'ERR_OPTION_INVALID',
      `option "ring.spillBytes" is ${rest.ring.spillBytes}; allowed: at least four times maxMessageBytes`,
      { path: 'ring.spillBytes', given: rest.ring.spillBytes, allowed: `at least ${rest.maxMessageBytes * 4}` },
    );
  }
  checkMetricsPath(rest);
  const config: EngineConfig = {
    ...rest,
    limits: compileLimits(limits, rest.shards),
    compression: compileCompression(compression, rest.maxMessageBytes),
    heartbeat: compileHeartbeat(heartbeat),
    handlers: handlers ?? null,
    demandsAuthorize,
    security: security === undefined ? null : securityPolicy(security),
    offload: offloadConfig(offload, rest.shards),
    tls: tls === undefined ? null : { minVersion: tls.minVersion },
    restart: restart === false ? null : restart,
    watchdog: watchdog === false ? null : watchdog,
    logsConnections: logger !== undefined && wantsDebug(logger),
    maxShardHeapBytes: rest.maxShardHeapBytes ?? null,
    maxShardBackpressureBytes: rest.maxShardBackpressureBytes ?? shardBackpressureBytes(rest.shards),
  };
  return {
    config: deepFreeze(config),
    keys: security === undefined ? noKeys : keyRing(security),
    tls: tls ?? null,
    closeGraceMs,
    startTimeoutMs,
    logger: guardedLogger(logger),
    insideWorker,
  };
}

/** Checks a `tls` option by itself, as `compileOptions` does. */
export function compileTls(input: TlsOptions): TlsSource {
  const given = { tls: input };
  const parsed = z.strictObject({ tls: tlsSchema }).safeParse(given);
  if (parsed.success) return parsed.data.tls;
  const [issue] = parsed.error.issues;
  if (issue === undefined) throw parsed.error;
  throw optionError(given, issue);
}
