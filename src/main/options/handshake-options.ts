import { isIP } from 'node:net';
import { z } from 'zod';
import { type CodecName, codecs } from '../../shared/codec/index.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { type Fields, whole } from './option-fields.ts';

/** Which handshakes are accepted. */
export interface HandshakeOptions {
  readonly subprotocols?: readonly CodecName[];
  readonly unknownSubprotocol?: 'reject' | 'json';
  readonly duplicateName?: 'allow' | 'reject' | 'replace';
  readonly origins?: 'same-origin' | '*' | readonly string[];
  readonly hosts?: readonly string[] | null;
  readonly trustProxy?: boolean | number | readonly string[];
}

type HandshakeConfig = Pick<EngineConfig, keyof HandshakeOptions>;

const codecNames = codecs.map((codec) => codec.name);

/** As a `Host` header has it. Without a port, every port is meant. */
const hostName = z
  .string()
  .max(260)
  .regex(
    /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:[\]/?#@,]+)(?::\d{1,5})?$/,
    'a host such as chat.example.com or [::1], with or without a port',
  )
  .toLowerCase();

/** An origin as browsers send it, also with the scheme of an app, such as capacitor://localhost. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol } = new URL(text);
  if (origin !== 'null') return origin === text.toLowerCase();
  return protocol !== 'file:' && /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(text);
}

const origin = z
  .string()
  .refine(isOrigin, 'an origin, such as https://example.com, without a path or a default port')
  .toLowerCase();

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

const network = z.string().refine(isNetwork, 'an IP address, or a network such as 10.0.0.0/8');

export const handshakeFields: Fields<HandshakeOptions, HandshakeConfig> = {
  subprotocols: z
    .array(z.enum(codecNames as [CodecName, ...CodecName[]]))
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'each name once')
    .default(() => [...codecNames]),
  unknownSubprotocol: z.enum(['reject', 'json']).default('reject'),
  duplicateName: z.enum(['allow', 'reject', 'replace']).default('allow'),
  origins: z.union([z.literal('same-origin'), z.literal('*'), z.array(origin)]).default('same-origin'),
  hosts: z.array(hostName).max(1_024).nullable().default(null),
  trustProxy: z.union([z.boolean(), whole(0, 32), z.array(network).max(1_024)]).default(false),
};

export function compileHandshakes(checked: HandshakeConfig): HandshakeConfig {
  const { subprotocols, unknownSubprotocol, duplicateName, origins, hosts, trustProxy } = checked;
  return { subprotocols, unknownSubprotocol, duplicateName, origins, hosts, trustProxy };
}
