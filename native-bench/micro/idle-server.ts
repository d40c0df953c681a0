import { App } from 'uWebSockets.js';
import { startEngine } from '#dist/main/index.js';

/** A server in a process of its own: ours with one shard, or the bare socket library. Tells its port and, when asked, its memory. */
const kind = process.argv[2];

async function residentBytes(): Promise<number> {
  // Long enough for every thread to have collected more than once, and to have given back what it grew by.
  for (let i = 0; i < 15; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return process.memoryUsage.rss();
}

async function listen(): Promise<number> {
  if (kind === 'shardwire') {
    const engine = await startEngine({
      shards: 1,
      host: '127.0.0.1',
      port: 0,
      handlers: new URL('./idle.handlers.js', import.meta.url),
    });
    return engine.port;
  }
  const { us_socket_local_port: portOf } = await import('uWebSockets.js');
  const app = App().ws('/*', { idleTimeout: 120, maxBackpressure: 1_048_576, message: () => undefined });
  // Kept: an App that is collected takes the process with it.
  Reflect.set(globalThis, 'keptApp', app);
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (token) => {
      if (token === false) reject(new Error('cannot listen'));
      else resolve(portOf(token));
    });
  });
}

const port = await listen();
process.on('message', () => {
  void residentBytes().then((bytes) => process.send?.({ bytes }));
});
process.send?.({ port });
