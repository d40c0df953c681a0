import { z } from 'zod';
import { deepFreeze, type EngineConfig } from '../../shared/config/config.ts';
import type { KeyRing } from '../../shared/config/key-ring.ts';
import type { EngineOptions } from './engine-options.ts';
import { compileHandshakes, handshakeFields } from './handshake-options.ts';
import { checkMetricsPath, compileHttp, httpFields } from './http-options.ts';
import { compileLimits, limitFields } from './limit-options.ts';
import { compileListening, listenFields } from './listen-options.ts';
import { type EngineLogger, guardedLogger, wantsDebug } from './logger.ts';
import { compileMessages, messageFields } from './message-options.ts';
import { optionError } from './option-error.ts';
import { checkPreset, presetFields, withPreset } from './preset.ts';
import { type ProcessOptions, processFields } from './process-options.ts';
import { compileKeys, compileSecurity, securityFields } from './security-options.ts';
import { checkSpill, compileThreads, threadFields } from './thread-options.ts';
import { type TlsSource, tlsFields } from './tls-options.ts';

/** The configuration of the shards, and what only main needs. */
export interface CompiledOptions extends Required<ProcessOptions> {
  readonly config: EngineConfig;
  /** Apart from the configuration, which may be shown: keys may not. */
  readonly keys: KeyRing;
  /** Null: plain TCP. */
  readonly tls: TlsSource | null;
  readonly logger: EngineLogger;
}

const fields = {
  ...presetFields,
  ...listenFields,
  ...handshakeFields,
  ...messageFields,
  ...limitFields,
  ...securityFields,
  ...threadFields,
  ...httpFields,
  ...tlsFields,
  ...processFields,
} satisfies Readonly<Record<keyof EngineOptions, z.ZodType>>;

const schema = z.strictObject(fields);

/** What may be written. Each group of options has a file with its types, its schema and its defaults. */
export const optionSchema: z.ZodType = schema;

function check(given: unknown): z.output<typeof schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw optionError(given, parsed.error);
}

/**
 * Checks and completes what a user wrote, once. Throws `ERR_OPTION_INVALID` that names the option's path, the value
 * given and what is allowed.
 */
export function compileOptions(input: number | EngineOptions = {}): CompiledOptions {
  const checked = check(withPreset(typeof input === 'number' ? { shards: input } : input));
  const { shards, maxMessageBytes, logger, closeGraceMs, startTimeoutMs, insideWorker, tls = null } = checked;
  const demandsAuthorize = checkPreset(checked, checked.handlers, checked.security);
  checkSpill(checked, maxMessageBytes);
  checkMetricsPath(checked);
  const config: EngineConfig = {
    ...compileListening(checked),
    ...compileHandshakes(checked),
    ...compileMessages(checked, shards),
    ...compileLimits(checked, shards),
    ...compileSecurity(checked),
    ...compileThreads(checked, shards),
    ...compileHttp(checked),
    tls: tls === null ? null : { minVersion: tls.minVersion },
    demandsAuthorize,
    logsConnections: logger !== undefined && wantsDebug(logger),
  };
  return {
    config: deepFreeze(config),
    keys: compileKeys(checked.security),
    tls,
    closeGraceMs,
    startTimeoutMs,
    logger: guardedLogger(logger),
    insideWorker,
  };
}
