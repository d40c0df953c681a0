import { z } from 'zod';
import type { EngineConfig, SecurityPolicy } from '../../shared/config/config.ts';
import { type KeyRing, noKeys } from '../../shared/config/key-ring.ts';
import { checkAesKey, checkHmacKey } from '../../shared/security/index.ts';
import { type Fields, whole } from './option-fields.ts';

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
  /** Forms that let somebody without a key pass recorded frames off as other messages; default none. */
  readonly forgeable?: readonly ('codecs' | 'deflate' | 'seal2')[];
}

export interface SecurityOption {
  readonly security?: SecurityOptions;
}

type Compress = NonNullable<SecurityPolicy['compress']>;

interface CheckedSecurity extends Omit<SecurityPolicy, 'isKeyed' | 'compress'> {
  readonly aesKey?: Uint8Array | undefined;
  readonly hmacKey?: Uint8Array | undefined;
  readonly keyId: number;
  readonly compress: boolean | Compress;
}

const compressDefaults: Compress = { level: 6, thresholdBytes: 1_024 };

/** Uses the check of the security leaf, and drops its text: no error may show a key. */
function key(check: (value: unknown) => Uint8Array, allowed: string) {
  return z.custom<Uint8Array>().transform((value, context): Uint8Array => {
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

const security = {
  aesKey: aesKey.optional(),
  hmacKey: hmacKey.optional(),
  keyId: whole(0, 255).default(0),
  signThenEncrypt: z.boolean().default(true),
  compress: z
    .union([
      z.boolean(),
      z.strictObject({
        level: whole(1, 9).default(compressDefaults.level),
        thresholdBytes: whole(0, 67_108_864).default(compressDefaults.thresholdBytes),
      }),
    ])
    .default(false),
  replayProtection: z.enum(['off', 'optional', 'required']).default('optional'),
  maxFailures: whole(1, 1_000_000).default(3),
  forgeable: z.array(z.enum(['codecs', 'deflate', 'seal2'])).default([]),
} satisfies Fields<SecurityOptions, Required<CheckedSecurity>>;

export const securityFields: Fields<SecurityOption, { readonly security: CheckedSecurity | undefined }> = {
  security: z.strictObject(security).optional(),
};

/** The policy without the keys: those travel by themselves, see `compileKeys`. */
export function compileSecurity({
  security: given,
}: {
  readonly security: CheckedSecurity | undefined;
}): Pick<EngineConfig, keyof SecurityOption> {
  if (given === undefined) return { security: null };
  const { signThenEncrypt, compress, replayProtection, maxFailures, forgeable } = given;
  return {
    security: {
      signThenEncrypt,
      compress: compress === true ? compressDefaults : compress === false ? null : compress,
      replayProtection,
      maxFailures,
      isKeyed: given.aesKey !== undefined || given.hmacKey !== undefined,
      forgeable,
    },
  };
}

export function compileKeys(given: CheckedSecurity | undefined): KeyRing {
  if (given === undefined) return noKeys;
  return { ...noKeys, current: { id: given.keyId, aesKey: given.aesKey ?? null, hmacKey: given.hmacKey ?? null } };
}
