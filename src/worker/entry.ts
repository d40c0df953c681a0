import { parentPort, workerData } from 'node:worker_threads';
import type { FromShard, ShardStart } from '../shared/bus/ipc.ts';
import { EngineError, errorCode, errorStack, errorText } from '../shared/errors/index.ts';
import { Shard } from './lifecycle/shard.ts';
import { type ChosenTransport, chooseTransport } from './transport/choose-transport.ts';

if (parentPort === null) throw new Error('entry.js is started by the engine, as a worker thread');

const endThread = process.exit.bind(process);
const start = workerData as ShardStart;
const main = parentPort;

/** For a message to leave before its thread ends. */
const tellMs = 100;

/** Without a transport there is no shard: main is told why, and the thread ends. */
async function chooseOrEnd(): Promise<ChosenTransport> {
  try {
    return await chooseTransport(start.config.transport);
  } catch (error) {
    const code = errorCode(error) ?? 'ERR_SHARD_FAILED';
    main.postMessage({ kind: 'failed', code, text: errorText(error), stack: errorStack(error) } satisfies FromShard);
    await new Promise((resolve) => setTimeout(resolve, tellMs));
    return endThread(1);
  }
}

const shard = new Shard(start, main, await chooseOrEnd(), endThread);

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
// For anything else that may end the thread.
process.on('exit', () => shard.release());
shard.start().catch(fail);
