import type { CodecName } from '../../shared/codec/index.ts';
import { checkAesKey, checkHmacKey } from '../../shared/security/index.ts';
import { failureText, UsageError } from '../failure.ts';
import type { SealPlan } from './plan.ts';

interface SealValues {
  readonly seal: boolean;
  readonly 'aes-key'?: string | undefined;
  readonly 'hmac-key'?: string | undefined;
  readonly 'encrypt-then-sign': boolean;
}

interface KeyKind {
  readonly flag: 'aes-key' | 'hmac-key';
  readonly variable: string;
  readonly check: (key: Uint8Array) => Uint8Array;
}

const aes: KeyKind = { flag: 'aes-key', variable: 'SHARDWIRE_AES_KEY', check: checkAesKey };
const hmac: KeyKind = { flag: 'hmac-key', variable: 'SHARDWIRE_HMAC_KEY', check: checkHmacKey };

/** Bytes in hexadecimal or base64 (of either alphabet); what can be both is hexadecimal. */
function keyBytes(text: string): Uint8Array | null {
  if (/^(?:[0-9a-f]{2})+$/i.test(text)) return Buffer.from(text, 'hex');
  const bytes = Buffer.from(text, 'base64');
  const plain = text.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/');
  return text !== '' && bytes.toString('base64').replace(/=+$/, '') === plain ? bytes : null;
}

/** Errors name where a key came from, and never the key. */
function readKey({ flag, variable, check }: KeyKind, given: string | undefined): Uint8Array | null {
  const isNamed = given?.startsWith('env:') === true;
  const name = isNamed ? given.slice('env:'.length) : variable;
  const source = given === undefined || isNamed ? `the environment variable ${name}` : `"--${flag}"`;
  const text = given === undefined || isNamed ? process.env[name] : given;
  if (text === undefined) {
    if (isNamed) throw new UsageError(`${source}, which "--${flag}" names, is not set`);
    return null;
  }
  const bytes = keyBytes(text.trim());
  if (bytes === null) throw new UsageError(`the key of ${source} is neither hexadecimal nor base64`);
  try {
    return check(bytes);
  } catch (error) {
    throw new UsageError(`the key of ${source} cannot be used: ${failureText(error)}`);
  }
}

/** Null: nothing is sealed. `form` is what the subprotocol asks for. */
export function sealPlan(values: SealValues, form: SealPlan['form'], codec: CodecName): SealPlan | null {
  const isAsked = values.seal || values['aes-key'] !== undefined || values['hmac-key'] !== undefined;
  if (!isAsked && form === 'classic') {
    if (values['encrypt-then-sign']) throw new UsageError('"--encrypt-then-sign" needs "--seal"');
    return null;
  }
  const aesKey = readKey(aes, values['aes-key']);
  const hmacKey = readKey(hmac, values['hmac-key']);
  if (aesKey === null && hmacKey === null) {
    const why = form === 'classic' ? '"--seal"' : `a subprotocol with "+${form}"`;
    throw new UsageError(`${why} needs a key: "--aes-key", "--hmac-key", ${aes.variable} or ${hmac.variable}`);
  }
  return { form, codec, aesKey, hmacKey, signThenEncrypt: !values['encrypt-then-sign'] };
}
