import { parentPort, workerData } from 'node:worker_threads';
import type { ShardStart } from '../shared/bus/ipc.ts';
import { EngineError } from '../shared/errors/index.ts';
import { Shard } from './lifecycle/shard.ts';
import { UwsTransport } from './transport/uws/uws-transport.ts';

if (parentPort === null) throw new Error('entry.js is started by the engine, as a worker thread');

const endThread = process.exit.bind(process);
const shard = new Shard(
  workerData as ShardStart,
  parentPort,
  (options, events) => new UwsTransport(options, events),
  endThread,
);

function fail(error: unknown): void {
  try {
    // The thread ends in spite of what user code left open; only once the App is closed.
    shard.fail(error, () => endThread(1));
  } catch {
    shard.release();
    endThread(1);
  }
}

/** What a handler module calls would end this thread with an open App. It fails the shard instead, in good order. */
process.exit = (code) => {
  const error = new EngineError('ERR_SHARD_FAILED', `process.exit(${code ?? ''}) was called in a shard`);
  fail(error);
  throw error;
};
process.on('uncaughtException', fail);
process.on('unhandledRejection', (reason) => shard.reportStray(reason));
// The last resort, for whatever else may end the thread.
process.on('exit', () => shard.release());
shard.start().catch(fail);
