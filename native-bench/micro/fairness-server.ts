import { startEngine } from '#dist/main/index.js';
import { sealKey } from './fairness-floods.ts';

/** One shard, in a process of its own, with keys if it is told so. Tells its port, and its counters when asked. */
const engine = await startEngine({
  shards: 1,
  host: '127.0.0.1',
  port: 0,
  compression: true,
  limits: { malformedMessages: 1_000_000 },
  ...(process.argv[2] === 'sealed' ? { security: { aesKey: sealKey } } : {}),
});
process.on('message', () => {
  const { messagesIn, turnsHeld, turnsOverrun } = engine.stats();
  process.send?.({ messagesIn, turnsHeld, turnsOverrun });
});
process.send?.({ port: engine.port });
