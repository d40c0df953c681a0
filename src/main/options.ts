import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type CodecName, codecs } from '../shared/codec/index.ts';
import { deepFreeze, type EngineConfig, type SecurityPolicy } from '../shared/config.ts';
import { EngineError } from '../shared/errors/index.ts';
import { type KeyRing, noKeys } from '../shared/key-ring.ts';
import type { OffloadConfig } from '../shared/offload.ts';
import { maxConsumers, maxRingBytes, minRingBytes } from '../shared/ring/index.ts';
import { checkAesKey, checkHmacKey } from '../shared/security/index.ts';

/** What a pino logger has; any logger with these methods will do. */
export type EngineLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** A page that the engine serves by itself on its port. */
export interface PageOptions {
  /** Default `text/html; charset=utf-8`. */
  readonly contentType?: string;
  readonly body: string;
}

/** Keys to seal with. docs/security.md says what each mode protects and what not. */
export interface SecurityKeys {
  /** AES-256-GCM key of exactly 32 bytes. Without it nothing is encrypted. */
  readonly aesKey?: Uint8Array;
  /** HMAC-SHA256 key of at least 1 byte, better 32. Without it nothing is signed. */
  readonly hmacKey?: Uint8Array;
  /** 0–255, sent in clear by `+seal2` subprotocols. Default: 0, and one more at each rotation. */
  readonly keyId?: number;
}

export interface SecurityOptions extends SecurityKeys {
  readonly signThenEncrypt?: boolean;
  readonly compress?: boolean | { readonly level?: number; readonly thresholdBytes?: number };
  readonly replayProtection?: 'off' | 'optional' | 'required';
  readonly maxFailures?: number;
}

export interface OffloadOptions {
  readonly threads?: number;
  readonly maxQueue?: number;
  readonly timeoutMs?: number;
  readonly thresholdBytes?: {
    readonly seal?: number;
    readonly open?: number;
    readonly deflate?: number;
    readonly inflate?: number;
  };
}

/** What `startEngine` takes. docs/options.md has the units, defaults and bounds of each. */
export interface EngineOptions {
  readonly shards?: number;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly backlog?: number;
  readonly acceptor?: 'auto' | 'handover' | 'shard';
  readonly placement?: { readonly by: 'connection' | 'address' };
  readonly subprotocols?: readonly CodecName[];
  readonly unknownSubprotocol?: 'reject' | 'json';
  readonly duplicateName?: 'allow' | 'reject' | 'replace';
  readonly origins?: 'same-origin' | '*' | readonly string[];
  readonly replies?: 'off' | 'errors' | 'all';
  readonly handlers?: URL | string;
  readonly maxMessageBytes?: number;
  readonly maxBackpressureBytes?: number;
  readonly slowConsumer?: 'disconnect' | 'drop';
  readonly limits?: {
    readonly channelsPerConnection?: number;
    readonly roomsPerConnection?: number;
    readonly channelNameBytes?: number;
    readonly malformedMessages?: number;
    readonly pendingMessages?: number;
  };
  readonly security?: SecurityOptions;
  readonly offload?: false | OffloadOptions;
  readonly ring?: { readonly bytes?: number; readonly spillBytes?: number };
  readonly health?: { readonly live?: string; readonly ready?: string } | false;
  readonly pages?: Readonly<Record<string, PageOptions>>;
  readonly closeGraceMs?: number;
  readonly startTimeoutMs?: number;
  readonly logger?: EngineLogger;
}

/** The configuration of the shards, and what main keeps to itself. */
export interface CompiledOptions {
  readonly config: EngineConfig;
  /** Apart from the rest, so that a configuration can be shown and a key cannot. */
  readonly keys: KeyRing;
  readonly closeGraceMs: number;
  readonly startTimeoutMs: number;
  readonly logger: EngineLogger;
}

const silent = (): void => undefined;
const silentLogger: EngineLogger = { debug: silent, info: silent, warn: silent, error: silent } as EngineLogger;

const codecNames = codecs.map((codec) => codec.name);

function whole(least: number, most: number): z.ZodNumber {
  return z.number().int().min(least).max(most);
}

const urlPath = z.string().regex(/^\/[^\s?#*:]*$/, 'a path that begins with / and has no ?, #, *, : or space');

const handlersUrl = z
  .union([z.instanceof(URL), z.string()])
  .refine((value) => URL.canParse(String(value)), 'a URL, such as new URL("./handlers.js", import.meta.url)')
  .transform((value) => new URL(value).href);

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

const schema = z.strictObject({
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
          .refine(
            (value) => URL.canParse(value) && new URL(value).origin === value.toLowerCase(),
            'an origin, such as https://example.com, without a path or a default port',
          )
          .toLowerCase(),
      ),
    ])
    .default('same-origin'),
  replies: z.enum(['off', 'errors', 'all']).default('errors'),
  handlers: handlersUrl.optional(),
  maxMessageBytes: whole(128, 67_108_864).default(524_288),
  maxBackpressureBytes: whole(1_024, 1_073_741_824).default(1_048_576),
  slowConsumer: z.enum(['disconnect', 'drop']).default('disconnect'),
  limits: z
    .strictObject({
      channelsPerConnection: whole(1, 1_000_000).default(1_000),
      roomsPerConnection: whole(1, 1_000_000).default(1_000),
      channelNameBytes: whole(1, 4_096).default(255),
      malformedMessages: whole(1, 1_000_000).default(16),
      pendingMessages: whole(1, 1_000_000).default(1_024),
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
  closeGraceMs: whole(0, 600_000).default(1_000),
  startTimeoutMs: whole(100, 600_000).default(30_000),
  logger: loggerShape.optional(),
});

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function unitOf(origin: string): string {
  return origin === 'string' ? ' character(s)' : origin === 'array' ? ' element(s)' : '';
}

/** What a schema's complaint says is allowed, in words. */
function allowed(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_type':
      return `${issue.expected === 'int' ? 'a whole number' : issue.expected}`;
    case 'unrecognized_keys':
      return 'nothing, there is no such option';
    case 'invalid_key':
      return `as its name ${issue.issues.map((inner) => allowed(inner)).join(', ')}`;
    case 'invalid_union':
      return issue.errors
        .flat()
        .map((inner) => allowed(inner))
        .join(', or ');
    default:
      return issue.message;
  }
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') return typeof value;
  try {
    return JSON.stringify(value)?.slice(0, 80) ?? String(value);
  } catch {
    return typeof value;
  }
}

/** Of the complaints of a union's branches, one about something inside of the value says more than the union's own. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.flat().find((one) => one.path.length > 0);
  return inner === undefined ? issue : { ...inner, path: [...issue.path, ...inner.path] };
}

/** A key is never shown: not even a wrong one, which may be the right one with a typing error. */
function isKey(path: readonly PropertyKey[]): boolean {
  return path[0] === 'security' && (path[1] === 'aesKey' || path[1] === 'hmacKey');
}

function describeKey(value: unknown): string {
  return value instanceof Uint8Array ? `${value.length} bytes` : `a value of type ${typeof value}`;
}

function optionError(input: unknown, complaint: z.core.$ZodIssue): EngineError {
  const issue = innermost(complaint);
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const path = [...issue.path, ...keys.slice(0, 1)];
  const name = path.map(String).join('.');
  const given = isKey(path) ? describeKey(valueAt(input, path)) : valueAt(input, path);
  const what = allowed(issue);
  const subject = name === '' ? 'the options are' : `option "${name}" is`;
  return new EngineError('ERR_OPTION_INVALID', `${subject} ${show(given)}; allowed: ${what}`, {
    path: name,
    given,
    allowed: what,
  });
}

type ParsedOptions = z.output<typeof schema>;
type ParsedSecurity = NonNullable<ParsedOptions['security']>;

const compressDefaults = { level: 6, thresholdBytes: 1_024 };

function securityPolicy(security: ParsedSecurity): SecurityPolicy {
  const { signThenEncrypt, compress, replayProtection, maxFailures } = security;
  return {
    signThenEncrypt,
    compress: compress === true ? compressDefaults : compress === false ? null : compress,
    replayProtection,
    maxFailures,
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

/**
 * Checks and completes what a user wrote, once. Throws `ERR_OPTION_INVALID` that names the option's path, the value
 * given and what is allowed.
 */
export function compileOptions(input: number | EngineOptions = {}): CompiledOptions {
  const given: unknown = typeof input === 'number' ? { shards: input } : input;
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    if (issue === undefined) throw parsed.error;
    throw optionError(given, issue);
  }
  const { logger, closeGraceMs, startTimeoutMs, handlers, security, offload, ...rest } = parsed.data;
  if (rest.maxMessageBytes * 4 > rest.ring.spillBytes) {
    throw new EngineError(
      'ERR_OPTION_INVALID',
      `option "ring.spillBytes" is ${rest.ring.spillBytes}; allowed: at least four times maxMessageBytes`,
      { path: 'ring.spillBytes', given: rest.ring.spillBytes, allowed: `at least ${rest.maxMessageBytes * 4}` },
    );
  }
  const config: EngineConfig = {
    ...rest,
    handlers: handlers ?? null,
    security: security === undefined ? null : securityPolicy(security),
    offload: offloadConfig(offload, rest.shards),
  };
  return {
    config: deepFreeze(config),
    keys: security === undefined ? noKeys : keyRing(security),
    closeGraceMs,
    startTimeoutMs,
    logger: logger ?? silentLogger,
  };
}
