import { App, type TemplatedApp, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { announce } from './announce.ts';

/**
 * Bare uWebSockets.js in `--shards N` threads: an App in main accepts and deals the connections out to the Apps of the
 * worker threads, round robin. Nothing connects the shards: a publish reaches only the subscribers of the shard that
 * the publisher is on, so in a fan-out each shard serves its own part of the audience and no more.
 */
const { values } = parseArgs({ options: { shards: { type: 'string', default: '2' } } });
const acceptor = App() as TemplatedApp & { addChildAppDescriptor(descriptor: unknown): void };
const workers = Array.from(
  { length: Number(values.shards) },
  () => new Worker(new URL('./uws-shard-worker.js', import.meta.url)),
);
for (const worker of workers) {
  worker.on('error', (error) => {
    throw error;
  });
}
const descriptors = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown));
for (const descriptor of descriptors) acceptor.addChildAppDescriptor(descriptor);
acceptor.listen('127.0.0.1', 0, (listening) => {
  if (listening === false) throw new Error('cannot listen on 127.0.0.1');
  announce(us_socket_local_port(listening), async () => {
    us_listen_socket_close(listening);
    const exits = workers.map((worker) => once(worker, 'exit'));
    for (const worker of workers) worker.postMessage('close');
    await Promise.all(exits);
    acceptor.close();
  });
});
