import { randomBytes } from 'node:crypto';
import { type CodecName, codecByName } from '../../shared/codec/index.ts';
import { UsageError } from '../failure.ts';
import type { BenchValues } from './flags.ts';
import type { BenchMode, BenchPlan, SealPlan } from './plan.ts';
import { sealPlan } from './seal-keys.ts';
import { ownChannelBytes, stampBytes, stampMark } from './template.ts';
import { durationMs } from './time.ts';

const modes: readonly BenchMode[] = ['echo', 'fanout', 'connect', 'idle'];
const forms: readonly SealPlan['form'][] = ['deflate2', 'seal3', 'deflate', 'seal2'];
/** RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const handshakeHeader = /^(?:upgrade|connection|content-length|transfer-encoding|sec-websocket-.*)$/i;
/** Visible characters, spaces and tabs, as the dialer takes them. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const maxSizeBytes = 16 * 1024 * 1024;
/** Per connection: more messages would only wait in its buffers. */
const maxInFlightBytes = 64 * 1024 * 1024;
/** Publishes in flight of all publishers, and pairs of a publisher and a subscriber: each takes memory. */
const maxPublishesInFlight = 262_144;
const maxPairs = 10_000_000;
/**
 * Messages that an open loop may have in flight before it reports that it cannot keep the rate: per connection, and in
 * total.
 */
const openLoop = { messages: 1_000, bytes: 16 * 1024 * 1024, allMessages: 262_144, allBytes: 256 * 1024 * 1024 };
/** For all connections: bytes that wait in this process if the server reads nothing. */
const bookkeepingBytes = 64;
const maxAllInFlightBytes = 2 * 1024 * 1024 * 1024;

function notAllowed(flag: string, given: string, allowed: string): UsageError {
  return new UsageError(`option "${flag}" is "${given}"; allowed: ${allowed}`);
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw notAllowed(flag, text, `a whole number from ${least} to ${most}`);
}

function decimal(flag: string, text: string, least: number, most: number): number {
  const value = /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw notAllowed(flag, text, `a number from ${least} to ${most}`);
}

function duration(flag: string, text: string, leastMs: number, mostMs: number): number {
  const value = durationMs(text);
  if (value !== null && value >= leastMs && value <= mostMs) return value;
  const allowed = `${leastMs / 1_000} to ${mostMs / 1_000} seconds, such as 10, 0.5 or 500ms`;
  throw notAllowed(flag, text, allowed);
}

function urlOf(positionals: readonly string[]): string {
  const [given, ...more] = positionals;
  if (given === undefined) throw new UsageError('the URL of a server is missing');
  if (more.length > 0) throw new UsageError(`unexpected argument '${more[0]}': one URL at a time`);
  const url = URL.canParse(given) ? new URL(given) : null;
  if (url === null || (url.protocol !== 'ws:' && url.protocol !== 'wss:')) {
    throw new UsageError(`"${given}" is no URL of a WebSocket server, such as ws://127.0.0.1:8080/ws`);
  }
  if (given.includes('#')) throw new UsageError('the URL of a WebSocket has no fragment');
  if (url.username !== '' || url.password !== '') {
    throw new UsageError('put credentials into a header, such as --header "Authorization: …", not into the URL');
  }
  return url.href;
}

function headersOf(lines: readonly string[]): BenchPlan['headers'] {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim();
    const value = line.slice(colon + 1).trim();
    if (handshakeHeader.test(name)) throw notAllowed('header', line, 'a header that the handshake does not set itself');
    if (!token.test(name) || !headerValue.test(value)) throw notAllowed('header', line, 'name:value');
    return [name, value] as const;
  });
}

interface Speech {
  readonly subprotocol: string | null;
  readonly codec: CodecName | null;
  readonly seal: SealPlan | null;
}

function speechOf(values: BenchValues): Speech {
  const given = values.subprotocol ?? null;
  if (given !== null && !token.test(given)) throw notAllowed('subprotocol', given, 'one name');
  const [base = '', form, ...more] = (given ?? '').split('+');
  const codec = codecByName(base)?.name ?? null;
  const known = forms.find((name) => name === form);
  if (codec !== null && form !== undefined && (known === undefined || more.length > 0)) {
    throw notAllowed(
      'subprotocol',
      given ?? '',
      `${codec}, or that with ${forms.map((name) => `+${name}`).join(', ')}`,
    );
  }
  const isRaw = given !== null && codec === null;
  const seal = sealPlan(values, codec === null ? 'classic' : (known ?? 'classic'), codec ?? 'json');
  if (seal === null) return { subprotocol: given, codec, seal };
  if (isRaw) throw new UsageError(`raw payloads are not sealed, and "${given}" is no subprotocol of shardwire`);
  // A client that offers nothing speaks JSON.
  return { subprotocol: given, codec: codec ?? 'json', seal };
}

/** Flags without an effect are refused, because the user expects one. */
function refuseIdleFlags(values: BenchValues, mode: BenchMode, codec: CodecName | null): void {
  const given = (flag: keyof BenchValues): boolean => values[flag] !== undefined && values[flag] !== false;
  const only = (wanted: boolean, flags: readonly (keyof BenchValues)[], where: string): void => {
    const flag = wanted ? undefined : flags.find(given);
    if (flag !== undefined) throw new UsageError(`"--${flag}" has a meaning only ${where}`);
  };
  const sends = mode === 'echo' || mode === 'fanout';
  only(mode === 'fanout', ['publishers', 'self', 'fail-completeness'], 'with "--mode fanout"');
  only(mode === 'echo', ['any-answer', 'type'], 'with "--mode echo"');
  only(sends, ['pipelining', 'size', 'message', 'binary', 'channel'], 'with the modes echo and fanout');
  only(mode !== 'idle', ['rate', 'fail-below', 'fail-p99-ms'], 'with other modes than idle');
  only(codec !== null, ['type', 'channel'], 'with a subprotocol of shardwire');
  only(codec === null, ['binary', 'self'], 'with raw payloads');
  if (given('type') && given('channel')) throw new UsageError('"--type" and "--channel" exclude each other');
  if (given('size') && given('message')) throw new UsageError('"--size" and "--message" exclude each other');
}

function messageOf(values: BenchValues, mode: BenchMode): string | null {
  const { message } = values;
  if (message === undefined) return null;
  const marks = message.split(stampMark).length - 1;
  if (marks > 1 || (mode === 'fanout' && marks === 0)) {
    throw notAllowed(
      'message',
      message,
      `a text with ${stampMark} ${mode === 'fanout' ? 'in it' : 'in it at most'} once`,
    );
  }
  return message;
}

function sizeOf(values: BenchValues, mode: BenchMode, codec: CodecName | null): number {
  const { message } = values;
  if (message !== undefined) return Buffer.byteLength(message);
  const quotes = codec === null ? 0 : 2;
  const least = mode === 'fanout' ? stampBytes({ mode }) + quotes : quotes;
  return whole('size', values.size ?? '64', least, maxSizeBytes);
}

function channelOf({ channel = 'bench' }: BenchValues, mode: BenchMode): string {
  const most = 255 - (mode === 'echo' ? ownChannelBytes : 0);
  if (channel !== '' && Buffer.byteLength(channel) <= most) return channel;
  throw notAllowed('channel', channel, `1 to ${most} bytes`);
}

function inFlightOf(values: BenchValues, rate: number, sizeBytes: number, senders: number): number {
  const { pipelining } = values;
  const size = Math.max(1, sizeBytes);
  if (pipelining === undefined) {
    if (rate === 0) return 1;
    const { messages, bytes, allMessages, allBytes } = openLoop;
    return Math.max(1, Math.floor(Math.min(messages, bytes / size, allMessages / senders, allBytes / size / senders)));
  }
  const count = whole('pipelining', pipelining, 1, 4_096);
  if (count > 1 && count * size > maxInFlightBytes) {
    throw notAllowed('pipelining', pipelining, `at most ${maxInFlightBytes} bytes in flight per connection`);
  }
  return count;
}

function requireRoom(plan: BenchPlan): BenchPlan {
  const { connections, publishers, inFlight, sizeBytes, mode } = plan;
  const senders = mode === 'fanout' ? publishers : connections;
  if (senders * inFlight * (sizeBytes + bookkeepingBytes) > maxAllInFlightBytes) {
    const allowed = `at most ${maxAllInFlightBytes} bytes in flight on all connections, with ${bookkeepingBytes} more for each message`;
    throw notAllowed('size', String(sizeBytes), allowed);
  }
  if (publishers * connections > maxPairs) {
    throw notAllowed('publishers', String(publishers), `at most ${maxPairs} pairs of publisher and subscriber`);
  }
  if (publishers * inFlight > maxPublishesInFlight) {
    throw notAllowed('pipelining', String(inFlight), `at most ${maxPublishesInFlight} publishes in flight in all`);
  }
  return plan;
}

function thresholdsOf(values: BenchValues): BenchPlan['thresholds'] {
  const p99 = values['fail-p99-ms'];
  const below = values['fail-below'];
  return {
    p99Ms: p99 === undefined ? null : decimal('fail-p99-ms', p99, 0, 1e9),
    belowPerSecond: below === undefined ? null : decimal('fail-below', below, 0, 1e12),
    completeness: decimal('fail-completeness', values['fail-completeness'] ?? '100', 0, 100),
    errors: whole('fail-errors', values['fail-errors'], 0, 1e12),
  };
}

/** Checks all flags. Throws a UsageError if they are not valid. */
export function planOf(values: BenchValues, positionals: readonly string[]): BenchPlan {
  const url = urlOf(positionals);
  const mode = modes.find((name) => name === values.mode);
  if (mode === undefined) throw notAllowed('mode', values.mode, modes.join(', '));
  const { subprotocol, codec, seal } = speechOf(values);
  refuseIdleFlags(values, mode, codec);
  if (values.insecure && !url.startsWith('wss:')) throw new UsageError('"--insecure" has a meaning only with wss:');
  const connections = whole('connections', values.connections, 1, 100_000);
  const publishers = mode === 'fanout' ? whole('publishers', values.publishers ?? '1', 1, 1_000) : 0;
  const rate = values.rate === undefined ? 0 : decimal('rate', values.rate, 0.01, 1e7);
  const sizeBytes = sizeOf(values, mode, codec);
  return requireRoom({
    url,
    mode,
    connections,
    publishers,
    threads: Math.min(whole('workers', values.workers, 1, 64), connections + publishers),
    durationMs: duration('duration', values.duration, 100, 3_600_000),
    warmupMs: duration('warmup', values.warmup, 0, 3_600_000),
    inFlight: inFlightOf(values, rate, sizeBytes, mode === 'fanout' ? publishers : connections),
    ratePerSecond: rate,
    timeoutMs: duration('timeout', values.timeout, 10, 600_000),
    sizeBytes,
    message: messageOf(values, mode),
    binary: values.binary,
    anyAnswer: values['any-answer'],
    subprotocol,
    codec,
    seal,
    type: values.type ?? null,
    channel: channelOf(values, mode),
    self: values.self,
    headers: headersOf(values.header ?? []),
    insecure: values.insecure,
    runId: randomBytes(4).toString('hex'),
    thresholds: thresholdsOf(values),
  });
}
