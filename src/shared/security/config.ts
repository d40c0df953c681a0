import { largestBytes } from './bytes.ts';
import { keyInvalid, optionInvalid } from './failures.ts';
import { checkAesKey, checkHmacKey, kindOf } from './keys.ts';

/** What a program says about a pipeline. Everything may be left out; without keys and flag it is the identity. */
export interface PipelineConfig {
  /** 32 bytes for AES-256-GCM. */
  aesKey?: Uint8Array;
  /** At least one byte for HMAC-SHA256; 32 random ones are best. */
  hmacKey?: Uint8Array;
  /** With both keys: true (default) seals as encrypt(sign(p)), false as sign(encrypt(p)). */
  signThenEncrypt?: boolean;
  /**
   * Deflates payloads before sealing: `level` 1–9 (default 6; Web Crypto pipelines have the browser's own), from
   * `thresholdBytes` on (default 1,024). Implies `flagged`. Sizes then tell something of the content.
   */
  compress?: boolean | { level?: number; thresholdBytes?: number };
  /** Writes and expects the flag byte, so that compressed payloads can be read. */
  flagged?: boolean;
  /** Bound of an inflated payload; default 64 MiB. */
  maxOpenBytes?: number;
  /** Such as `json+deflate2`: keys are derived for it, and both directions have their own. Implies `flagged`. */
  subprotocol?: string;
  /** With `subprotocol`: whose end this is; default `client`. */
  side?: 'client' | 'server';
}

/** The same, complete, checked and with keys of its own. */
export interface CheckedConfig {
  readonly aesKey: Uint8Array | null;
  readonly hmacKey: Uint8Array | null;
  readonly signThenEncrypt: boolean;
  readonly flagged: boolean;
  /** 0: nothing is deflated. */
  readonly level: number;
  readonly thresholdBytes: number;
  readonly maxOpenBytes: number;
  /** Null: keys are used as they are. */
  readonly subprotocol: string | null;
  readonly side: 'client' | 'server';
}

const pipelineKeys: readonly string[] = [
  'aesKey',
  'hmacKey',
  'signThenEncrypt',
  'compress',
  'flagged',
  'maxOpenBytes',
  'subprotocol',
  'side',
];
const defaultLevel = 6;
const defaultThresholdBytes = 1024;
const defaultMaxOpenBytes: number = 64 * 1024 * 1024;

/**
 * Strict, because a typing error in a key's name would send everything in clear: unknown names are refused, and a key
 * that is there must be a key, `undefined` too.
 */
export function checkConfig(config: unknown, known: readonly string[] = pipelineKeys): CheckedConfig {
  const fields = fieldsOf('config', config, known);
  const { level, thresholdBytes } = compressionOf(fields['compress']);
  const { subprotocol, side = 'client' } = fields;
  const implied = level > 0 || subprotocol !== undefined;
  const flagged = checkBoolean('flagged', fields['flagged'], implied);
  if (implied && !flagged) throw optionInvalid('flagged', false, 'true or absent if compress or subprotocol is set');
  if (side !== 'client' && side !== 'server') throw optionInvalid('side', side, "'client' or 'server'");
  return Object.freeze({
    aesKey: 'aesKey' in fields ? checkAesKey(fields['aesKey']) : null,
    hmacKey: 'hmacKey' in fields ? checkHmacKey(fields['hmacKey']) : null,
    signThenEncrypt: checkBoolean('signThenEncrypt', fields['signThenEncrypt'], true),
    flagged,
    level,
    thresholdBytes,
    maxOpenBytes: wholeOf('maxOpenBytes', fields['maxOpenBytes'], defaultMaxOpenBytes, 1, largestBytes),
    subprotocol: textOf('subprotocol', subprotocol),
    side,
  });
}

/** Checks the configuration of a pipeline. Its subprotocol must be one without a session. */
export function checkPipelineConfig(config: unknown): CheckedConfig {
  const checked = checkConfig(config);
  if (checked.subprotocol !== null) requireSubprotocol(checked.subprotocol, '+deflate2');
  return checked;
}

/** The names of subprotocols whose keys are derived. */
export function requireSubprotocol(value: unknown, suffix: '+deflate2' | '+seal3'): asserts value is string {
  if (typeof value === 'string' && value.endsWith(suffix) && /^[!-~]{1,64}$/.test(value)) return;
  throw optionInvalid(
    'subprotocol',
    typeof value === 'string' ? value : kindOf(value),
    `a name that ends in ${suffix}`,
  );
}

function compressionOf(compress: unknown): { level: number; thresholdBytes: number } {
  if (compress === undefined || compress === false) return { level: 0, thresholdBytes: 0 };
  if (compress === true) return { level: defaultLevel, thresholdBytes: defaultThresholdBytes };
  if (typeof compress !== 'object' || compress === null) {
    throw optionInvalid('compress', compress, 'true, false or an object');
  }
  const { level, thresholdBytes } = fieldsOf('compress', compress, ['level', 'thresholdBytes']);
  return {
    level: wholeOf('compress.level', level, defaultLevel, 1, 9),
    thresholdBytes: wholeOf('compress.thresholdBytes', thresholdBytes, defaultThresholdBytes, 0, largestBytes),
  };
}

function fieldsOf(path: string, value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  // The value itself may be a key in the wrong place.
  if (typeof value !== 'object' || value === null) throw optionInvalid(path, kindOf(value), 'an object');
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      throw optionInvalid(
        path === 'config' ? name : `${path}.${name}`,
        undefined,
        `absent; known: ${known.join(', ')}`,
      );
    }
  }
  return value as Readonly<Record<string, unknown>>;
}

function checkBoolean(path: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value !== 'boolean') throw optionInvalid(path, kindOf(value), 'true or false');
  return value;
}

function textOf(path: string, value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string') throw optionInvalid(path, kindOf(value), 'a string');
  return value;
}

function wholeOf(path: string, value: unknown, byDefault: number, min: number, max: number): number {
  if (value === undefined) return byDefault;
  requireWhole(path, value, min, max);
  return value;
}

export function requireWhole(path: string, value: unknown, min: number, max: number): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const given = typeof value === 'number' ? value : kindOf(value);
    throw optionInvalid(path, given, `a whole number from ${min} to ${max}`);
  }
}

/** Throws unless there is a key: a session needs one. */
export function requireSomeKey(config: CheckedConfig): void {
  if (config.aesKey === null && config.hmacKey === null) {
    throw keyInvalid('aesKey', 'neither', 'given unless hmacKey is');
  }
}
