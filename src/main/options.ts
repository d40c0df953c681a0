import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type CodecName, codecs } from '../shared/codec/index.ts';
import { deepFreeze, type EngineConfig } from '../shared/config.ts';
import { EngineError } from '../shared/errors/index.ts';
import { maxConsumers, maxRingBytes, minRingBytes } from '../shared/ring/index.ts';

/** What a pino logger has; any logger with these methods will do. */
export type EngineLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** A page that the engine serves by itself on its port. */
export interface PageOptions {
  /** Default `text/html; charset=utf-8`. */
  readonly contentType?: string;
  readonly body: string;
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
  readonly compression?: boolean | { readonly level?: number; readonly thresholdBytes?: number };
  readonly limits?: {
    readonly channelsPerConnection?: number;
    readonly roomsPerConnection?: number;
    readonly channelNameBytes?: number;
    readonly malformedMessages?: number;
    readonly pendingMessages?: number;
  };
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
  readonly closeGraceMs: number;
  readonly startTimeoutMs: number;
  readonly logger: EngineLogger;
}

const silent = (): void => undefined;
const silentLogger: EngineLogger = { debug: silent, info: silent, warn: silent, error: silent } as EngineLogger;

const codecNames = codecs.map((codec) => codec.name);

const greatestMessageBytes = 67_108_864;

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
  maxMessageBytes: whole(128, greatestMessageBytes).default(524_288),
  maxBackpressureBytes: whole(1_024, 1_073_741_824).default(1_048_576),
  slowConsumer: z.enum(['disconnect', 'drop']).default('disconnect'),
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
    })
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

function optionError(input: unknown, complaint: z.core.$ZodIssue): EngineError {
  const issue = innermost(complaint);
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const path = [...issue.path, ...keys.slice(0, 1)];
  const name = path.map(String).join('.');
  const given = valueAt(input, path);
  const what = allowed(issue);
  const subject = name === '' ? 'the options are' : `option "${name}" is`;
  return new EngineError('ERR_OPTION_INVALID', `${subject} ${show(given)}; allowed: ${what}`, {
    path: name,
    given,
    allowed: what,
  });
}

function compileCompression(
  given: z.infer<typeof schema>['compression'],
  maxMessageBytes: number,
): EngineConfig['compression'] {
  if (given === false) return null;
  const { level = 6, thresholdBytes = Math.min(1_024, maxMessageBytes) } = given === true ? {} : given;
  if (thresholdBytes > maxMessageBytes) {
    const path = 'compression.thresholdBytes';
    const allowed = `at most ${maxMessageBytes} (maxMessageBytes)`;
    const text = `option "${path}" is ${thresholdBytes}; allowed: ${allowed}`;
    throw new EngineError('ERR_OPTION_INVALID', text, { path, given: thresholdBytes, allowed });
  }
  return { level, thresholdBytes };
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
  const { logger, closeGraceMs, startTimeoutMs, handlers, compression, ...rest } = parsed.data;
  if (rest.maxMessageBytes * 4 > rest.ring.spillBytes) {
    throw new EngineError(
      'ERR_OPTION_INVALID',
      `option "ring.spillBytes" is ${rest.ring.spillBytes}; allowed: at least four times maxMessageBytes`,
      { path: 'ring.spillBytes', given: rest.ring.spillBytes, allowed: `at least ${rest.maxMessageBytes * 4}` },
    );
  }
  const config: EngineConfig = {
    ...rest,
    compression: compileCompression(compression, rest.maxMessageBytes),
    handlers: handlers ?? null,
  };
  return { config: deepFreeze(config), closeGraceMs, startTimeoutMs, logger: logger ?? silentLogger };
}
