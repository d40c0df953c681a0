import type { CodecName } from '../codec/index.ts';
import type { OffloadConfig } from './offload.ts';
import type { TlsVersion } from './tls.ts';

/** A page that the engine serves by itself on its port. */
export interface PageConfig {
  readonly contentType: string;
  readonly body: string;
}

/** The `security` option without its keys, which are passed to shards separately: see key-ring.ts. */
export interface SecurityPolicy {
  readonly signThenEncrypt: boolean;
  /** Deflating before sealing, for clients that asked for it; null: never. */
  readonly compress: { readonly level: number; readonly thresholdBytes: number } | null;
  readonly replayProtection: 'off' | 'optional' | 'required';
  /** Frames of one connection that could not be opened, before it is closed with 3502. */
  readonly maxFailures: number;
  /** Whether the engine has keys of its own. */
  readonly isKeyed: boolean;
  /** Forms that are offered although a recorded frame of theirs can be passed off as another message. */
  readonly forgeable: readonly ForgeableForm[];
}

/** `uws` is uWebSockets.js, `node` the transport of our own. */
export type TransportName = 'uws' | 'node';

/** The transport of an engine's shards, and why it is that one. */
export interface TransportFacts {
  readonly name: TransportName;
  readonly reason: string;
}

export type ForgeableForm = 'codecs' | 'deflate' | 'seal2';

/** When lost shards are replaced: at most `maxRestarts` times in `windowMs`, and each time after a longer pause. */
export interface RestartConfig {
  readonly maxRestarts: number;
  readonly windowMs: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/**
 * Complete, validated configuration: what `EngineOptions` become once, at start. Structured-cloneable; every thread
 * has a frozen copy. docs/options.md describes each field.
 */
export interface EngineConfig {
  readonly shards: number;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly backlog: number;
  readonly acceptor: 'auto' | 'handover' | 'shard';
  readonly transport: TransportName | 'auto';
  readonly placement: { readonly by: 'connection' | 'address' };
  readonly subprotocols: readonly CodecName[];
  readonly unknownSubprotocol: 'reject' | 'json';
  readonly duplicateName: 'allow' | 'reject' | 'replace';
  readonly origins: 'same-origin' | '*' | readonly string[];
  /** The hosts that `Host` may name. Null: every host, or with a loopback address as `host` only names of the loopback. */
  readonly hosts: readonly string[] | null;
  /** The proxies that are trusted: none, all, a number of hops, or these addresses and networks. */
  readonly trustProxy: boolean | number | readonly string[];
  readonly replies: 'off' | 'errors' | 'all';
  /** URL of the handler module, as text. */
  readonly handlers: string | null;
  /** The handler module must have `authorize`. */
  readonly demandsAuthorize: boolean;
  readonly maxMessageBytes: number;
  readonly maxBackpressureBytes: number;
  readonly slowConsumer: 'disconnect' | 'drop';
  /** Null: no client is pinged, and no connection is closed because it is silent. */
  readonly heartbeat: { readonly pingPeriodMs: number; readonly pongWaitMs: number } | null;
  readonly writeWaitMs: number;
  /** Null: permessage-deflate is not agreed on with any client. */
  readonly compression: { readonly level: number; readonly thresholdBytes: number } | null;
  readonly limits: {
    readonly channelsPerConnection: number;
    readonly roomsPerConnection: number;
    readonly channelNameBytes: number;
    readonly malformedMessages: number;
    readonly pendingMessages: number;
    /** Null: no bound. */
    readonly messagesPerSecond: number | null;
    readonly bytesPerSecond: number | null;
    /** Null: no bound. By default as many as there are descriptors for. */
    readonly connections: number | null;
    readonly connectionsPerAddress: number | null;
    readonly handshakeMs: number;
    readonly pendingHandshakes: number;
    readonly pendingHandshakesPerAddress: number;
    readonly membershipBytes: number;
    readonly handlerMs: number;
  };
  /** Null: messages are not sealed, and connections cannot be given keys. */
  readonly security: SecurityPolicy | null;
  readonly offload: OffloadConfig;
  readonly ring: { readonly bytes: number; readonly spillBytes: number };
  readonly health: { readonly live: string; readonly ready: string } | false;
  readonly pages: Readonly<Record<string, PageConfig>>;
  /** Null: plain TCP. The certificate is passed to shards separately, see tls.ts. */
  readonly tls: { readonly minVersion: TlsVersion } | null;
  /** Null: a lost shard stays lost. */
  readonly restart: RestartConfig | null;
  /** Null: blocked shards are not reported. */
  readonly watchdog: { readonly stalledMs: number } | null;
  /** False: the shards serve no metrics. */
  readonly metrics: { readonly path: string } | false;
  /** Whether the logger writes debug lines, of which there is one per connection. Decided once, at the start. */
  readonly logsConnections: boolean;
  /** A shard with a larger heap is restarted. Null: at 70 % of the heap limit. False: heaps are not watched. */
  readonly maxShardHeapBytes: number | false | null;
  /** The bound of the unsent bytes of all clients of a shard together. */
  readonly maxShardBackpressureBytes: number;
}

/** Freezes a value and all that is in it. Each thread has to do so: the copy that it gets of a value is not frozen. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
