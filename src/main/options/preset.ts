import { z } from 'zod';
import type { SecurityPolicy } from '../../shared/config/config.ts';
import type { LimitOptions } from './limit-options.ts';
import type { MessageOptions } from './message-options.ts';
import { optionNotAllowed } from './option-error.ts';
import type { Fields } from './option-fields.ts';
import type { SecurityOptions } from './security-options.ts';

export interface PresetOptions {
  /** Defaults for engines that strangers reach; each can be overridden. It demands `authorize`, or `open: true`. */
  readonly preset?: 'public';
  /** With `preset: 'public'`: clients may subscribe, join and publish without being asked about. Default false. */
  readonly open?: boolean;
}

interface CheckedPreset {
  readonly preset: 'public' | undefined;
  readonly open: boolean;
}

export const presetFields: Fields<PresetOptions, CheckedPreset> = {
  preset: z.enum(['public']).optional(),
  open: z.boolean().default(false),
};

/**
 * What `preset: 'public'` sets, for engines that strangers reach. Every value is a default: a value that the user writes
 * replaces it. docs/options.md lists them.
 */
const publicDefaults = {
  maxMessageBytes: 65_536,
  maxBackpressureBytes: 262_144,
  limits: {
    messagesPerSecond: 1_000,
    bytesPerSecond: 4_194_304,
    connectionsPerAddress: 256,
    channelsPerConnection: 100,
    roomsPerConnection: 100,
  },
} satisfies MessageOptions & LimitOptions;

/** With the option `security`: a sealed message that somebody recorded cannot be sent again. */
const publicSecurity = { replayProtection: 'required' } satisfies SecurityOptions;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `given`, with a default for each option that is left out, or written as undefined. */
function completed(given: Readonly<Record<string, unknown>>, defaults: Readonly<Record<string, unknown>>): object {
  const options = { ...given };
  for (const [name, value] of Object.entries(defaults)) if (options[name] === undefined) options[name] = value;
  return options;
}

/**
 * Adds the preset's values for options that the user left out. A value that is no object is returned unchanged: the
 * schema refuses it. `null`, which means "no bound" for some limits, is kept.
 */
export function withPreset(given: unknown): unknown {
  if (!isObject(given) || given['preset'] !== 'public') return given;
  const { limits, security } = given;
  return completed(
    {
      ...given,
      ...(isObject(limits) ? { limits: completed(limits, publicDefaults.limits) } : {}),
      ...(isObject(security) ? { security: completed(security, publicSecurity) } : {}),
    },
    publicDefaults,
  );
}

/** Throws `ERR_OPTION_INVALID` if the options break a rule of the preset. True: the handler module must have `authorize`. */
export function checkPreset(
  { preset, open }: CheckedPreset,
  handlers: string | undefined,
  security: Pick<SecurityPolicy, 'replayProtection'> | undefined,
): boolean {
  if (preset !== 'public') return false;
  if (security !== undefined && security.replayProtection !== 'required') {
    const given = security.replayProtection;
    const allowed = '"required"';
    throw optionNotAllowed('security.replayProtection', given, allowed, `${allowed} with preset "public"`);
  }
  if (open) return false;
  if (handlers !== undefined) return true;
  const allowed = 'with a handler module that has "authorize", or with open: true';
  throw optionNotAllowed('preset', preset, allowed, `only ${allowed}`);
}
