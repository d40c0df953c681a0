import { parentPort, workerData } from 'node:worker_threads';
import type { ShardStart } from '../shared/ipc.ts';
import { Shard } from './shard.ts';
import { UwsTransport } from './transport/uws-transport.ts';

if (parentPort === null) throw new Error('entry.js is started by the engine, as a worker thread');

const shard = new Shard(workerData as ShardStart, parentPort, (options, events) => new UwsTransport(options, events));

function fail(error: unknown): void {
  shard.fail(error);
  // The App is closed: now, and only now, may this thread end in spite of what user code left open.
  process.exit(1);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', (reason) => shard.reportStray(reason));
shard.start().catch(fail);
