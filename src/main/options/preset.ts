import type { EngineOptions } from './engine-options.ts';

/**
 * What `preset: 'public'` sets, for engines that strangers reach. Every value is a default: what the user writes goes
 * before it. docs/options.md lists them.
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
} satisfies EngineOptions;

/** Sealed messages, where there are any, cannot be recorded and played back. */
const publicSecurity = { replayProtection: 'required' } satisfies EngineOptions['security'];

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `given`, with a default for each option that is not written. Written as undefined is not written. */
function completed(given: Readonly<Record<string, unknown>>, defaults: Readonly<Record<string, unknown>>): object {
  const options = { ...given };
  for (const [name, value] of Object.entries(defaults)) if (options[name] === undefined) options[name] = value;
  return options;
}

/**
 * Puts a preset's values where the user wrote none. What is not an object stays as it is: the schema says what is wrong
 * with it. `null`, which means "no bound" for some limits, stays.
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
