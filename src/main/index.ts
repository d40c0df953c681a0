import { isMainThread } from 'node:worker_threads';
import { EngineError } from '../shared/errors/index.ts';
import { Engine } from './engine.ts';
import type { EngineOptions } from './options/engine-options.ts';
import { optionWarnings } from './options/option-warnings.ts';
import { compileOptions } from './options/options.ts';
import { TlsKeeper } from './tls/tls-keeper.ts';

export type { CodecName } from '../shared/codec/index.ts';
export type { TransportFacts, TransportName } from '../shared/config/config.ts';
export { closeCode, EngineError, type ErrorCode } from '../shared/errors/index.ts';
export type { CounterName, CounterValues } from '../shared/memory/counters.ts';
export type { EngineState } from '../shared/memory/engine-memory.ts';
export type { OutgoingMessage, ReceivedMessage } from '../shared/message/message.ts';
export type { MessageData } from '../shared/message/message-data.ts';
export type { DirectVerdict, PublishVerdict } from '../shared/message/verdict.ts';
export type { EngineEvents } from './api/engine-events.ts';
export type { NewConnection, RemoteConnection } from './api/remote-connection.ts';
export type { Engine } from './engine.ts';
export type {
  EngineLogger,
  EngineOptions,
  OffloadOptions,
  PageOptions,
  RestartOptions,
  SecurityKeys,
  SecurityOptions,
  TlsFileOptions,
  TlsOptions,
  TlsPemOptions,
} from './options/engine-options.ts';
export type { EngineStats, OffloadStats, ShardStats, ThreadStats } from './stats/stats.ts';
export type { TlsReloadVerdict } from './tls/tls-keeper.ts';
export type { ShardStall } from './watch/shard-watch.ts';

/**
 * Starts an engine and resolves once its port answers. A number is the number of shards; everything else then has its
 * default, such as port 8080.
 *
 * Rejects with `ERR_OPTION_INVALID`, `ERR_TLS_INVALID`, `ERR_LISTEN_FAILED`, `ERR_HANDLERS_INVALID`, `ERR_PLACEMENT_UNSUPPORTED`,
 * `ERR_INSIDE_WORKER` or `ERR_SHARD_START_FAILED`; nothing is left behind then.
 */
export async function startEngine(options: number | EngineOptions = {}): Promise<Engine> {
  const compiled = compileOptions(options);
  // `terminate()` on this worker would also end its shards, before they could close their sockets.
  if (!isMainThread && !compiled.insideWorker) {
    const text =
      'an engine starts in a worker thread only with the option insideWorker: true, and the thread must not be terminated before engine.close() has resolved';
    throw new EngineError('ERR_INSIDE_WORKER', text, { path: 'insideWorker' });
  }
  for (const text of optionWarnings(compiled)) compiled.logger.warn({}, text);
  const tls = compiled.tls === null ? null : await TlsKeeper.open(compiled.tls, compiled.logger);
  const engine = new Engine(compiled, {}, tls);
  await engine.start();
  return engine;
}
