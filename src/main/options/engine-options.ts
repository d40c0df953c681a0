import type { Logger } from 'pino';
import type { CodecName } from '../../shared/codec/index.ts';

/** What a pino logger has; any logger with these methods will do. */
export type EngineLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** A page that the engine serves by itself on its port. */
export interface PageOptions {
  /** Default `text/html; charset=utf-8`. */
  readonly contentType?: string;
  readonly body: string;
}

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

export interface OffloadOptions {
  readonly threads?: number;
  readonly maxQueue?: number;
  readonly timeoutMs?: number;
  readonly thresholdBytes?: {
    readonly seal?: number;
    readonly open?: number;
    readonly deflate?: number;
    readonly inflate?: number;
  };
}

interface TlsSettings {
  /** Of an encrypted key. */
  readonly passphrase?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** A certificate in files, which `reloadTls` reads again. */
export interface TlsFileOptions extends TlsSettings {
  /** PEM: the server's certificate, then those between it and the root. */
  readonly certFile: string | URL;
  readonly keyFile: string | URL;
  /** PEM: only clients with a certificate of these authorities are served. */
  readonly caFile?: string | URL;
}

/** The same as PEM texts. */
export interface TlsPemOptions extends TlsSettings {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly ca?: string | Uint8Array;
}

export type TlsOptions = TlsFileOptions | TlsPemOptions;

export interface RestartOptions {
  readonly maxRestarts?: number;
  readonly windowMs?: number;
  readonly backoffMs?: number;
  readonly maxBackoffMs?: number;
}

/** What `startEngine` takes. docs/options.md has the units, defaults and bounds of each. */
export interface EngineOptions {
  /** Defaults for engines that strangers reach; each can be overridden. It demands `authorize`, or `open: true`. */
  readonly preset?: 'public';
  /** With `preset: 'public'`: clients may subscribe, join and publish without being asked about. Default false. */
  readonly open?: boolean;
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
  readonly hosts?: readonly string[] | null;
  readonly trustProxy?: boolean | number | readonly string[];
  readonly replies?: 'off' | 'errors' | 'all';
  readonly handlers?: URL | string;
  readonly maxMessageBytes?: number;
  readonly maxBackpressureBytes?: number;
  readonly slowConsumer?: 'disconnect' | 'drop';
  readonly heartbeat?: { readonly pingPeriodMs?: number; readonly pongWaitMs?: number } | false;
  readonly writeWaitMs?: number;
  readonly compression?: boolean | { readonly level?: number; readonly thresholdBytes?: number };
  readonly limits?: {
    readonly channelsPerConnection?: number;
    readonly roomsPerConnection?: number;
    readonly channelNameBytes?: number;
    readonly malformedMessages?: number;
    readonly pendingMessages?: number;
    readonly messagesPerSecond?: number | null;
    readonly bytesPerSecond?: number | null;
    readonly connections?: number | null;
    readonly connectionsPerAddress?: number | null;
    readonly handshakeMs?: number;
    readonly pendingHandshakes?: number;
    readonly pendingHandshakesPerAddress?: number;
    /** Of the names of a connection's channels and rooms together, in UTF-8. Default 65,536. */
    readonly membershipBytes?: number;
    readonly handlerMs?: number;
  };
  readonly security?: SecurityOptions;
  readonly offload?: false | OffloadOptions;
  readonly ring?: { readonly bytes?: number; readonly spillBytes?: number };
  readonly health?: { readonly live?: string; readonly ready?: string } | false;
  readonly pages?: Readonly<Record<string, PageOptions>>;
  readonly tls?: TlsOptions;
  /** Default false: whoever reaches the port could read them. */
  readonly metrics?: { readonly path?: string } | false;
  readonly closeGraceMs?: number;
  readonly startTimeoutMs?: number;
  readonly restart?: false | RestartOptions;
  readonly watchdog?: false | { readonly stalledMs?: number };
  readonly maxShardHeapBytes?: number | false;
  /** Bytes that wait unsent in one shard. Default: a quarter of the memory, divided by the number of shards. */
  readonly maxShardBackpressureBytes?: number;
  readonly logger?: EngineLogger;
  /** Lets the engine start in a worker thread, which must not be terminated before the engine is closed. */
  readonly insideWorker?: boolean;
}
