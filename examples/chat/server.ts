import { startEngine } from 'shardwire';

// The code that runs in every shard is in the handler module; this thread only starts and stops the engine.
const engine = await startEngine({
  shards: Number(process.env['SHARDS'] ?? 2),
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 8080),
  handlers: new URL('./chat.handlers.js', import.meta.url),
  maxMessageBytes: 16_384,
  limits: { roomsPerConnection: 20 },
});
console.log(`chat on ws://127.0.0.1:${engine.port}/ws?client_id=<your name>, ${engine.shards} shards`);

engine.on('shard-lost', (shard, error) => console.error(`shard ${shard} is lost: ${error.message}`));

async function stop(): Promise<void> {
  await engine.drain({ graceMs: 2_000 });
  console.log('stopped');
}

process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());
