import type { HandshakeOptions } from './handshake-options.ts';
import type { HttpOptions } from './http-options.ts';
import type { LimitOptions } from './limit-options.ts';
import type { ListenOptions } from './listen-options.ts';
import type { MessageOptions } from './message-options.ts';
import type { PresetOptions } from './preset.ts';
import type { ProcessOptions } from './process-options.ts';
import type { SecurityOption } from './security-options.ts';
import type { ThreadOptions } from './thread-options.ts';
import type { TlsOption } from './tls-options.ts';

export type { PageOptions } from './http-options.ts';
export type { EngineLogger } from './logger.ts';
export type { SecurityKeys, SecurityOptions } from './security-options.ts';
export type { OffloadOptions, RestartOptions } from './thread-options.ts';
export type { TlsFileOptions, TlsOptions, TlsPemOptions } from './tls-options.ts';

/** What `startEngine` takes. docs/options.md has the units, defaults and bounds of each. */
export interface EngineOptions
  extends PresetOptions,
    ListenOptions,
    HandshakeOptions,
    MessageOptions,
    LimitOptions,
    SecurityOption,
    ThreadOptions,
    HttpOptions,
    TlsOption,
    ProcessOptions {}
