import { parentPort, workerData } from 'node:worker_threads';
import type { ShardStart } from '../shared/ipc.ts';
import { Shard } from './shard.ts';
import { UwsTransport } from './transport/uws-transport.ts';

if (parentPort === null) throw new Error('entry.js is started by the engine, as a worker thread');

const shard = new Shard(workerData as ShardStart, parentPort, (options, events) => new UwsTransport(options, events));

/** Ends the thread in spite of what user code left open. Only once the App is closed. */
function leave(): void {
  process.exit(1);
}

function fail(error: unknown): void {
  shard.fail(error, leave);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', (reason) => shard.reportStray(reason));
// A handler module may call process.exit(), which ends this thread: never with an open App.
process.on('exit', () => shard.release());
shard.start().catch(fail);
