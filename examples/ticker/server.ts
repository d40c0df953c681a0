import { startEngine } from 'shardwire';

const everyMs = 100;

const engine = await startEngine({
  shards: Number(process.env['SHARDS'] ?? 2),
  host: process.env['HOST'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] ?? 8081),
  handlers: new URL('./ticker.handlers.js', import.meta.url),
  // Old prices are worth nothing: a slow client loses them and stays.
  slowConsumer: 'drop',
  maxBackpressureBytes: 65_536,
});
console.log(`ticker on ws://127.0.0.1:${engine.port}/ws, channels: price:ACME, price:GLOBEX`);

const prices = new Map([
  ['ACME', 100],
  ['GLOBEX', 250],
]);
let skipped = 0;

/** Publishes from the main thread: one ring write per price, whatever the number of subscribers. */
function tick(): void {
  for (const [symbol, price] of prices) {
    const next = Math.max(1, Math.round((price + Math.random() - 0.5) * 100) / 100);
    prices.set(symbol, next);
    const verdict = engine.publish(`price:${symbol}`, { type: 'price', data: { symbol, price: next } });
    if (verdict === 'overloaded') skipped += 1;
  }
}
const ticking = setInterval(tick, everyMs);

async function stop(): Promise<void> {
  clearInterval(ticking);
  const { publishes, messagesOut, messagesDropped } = engine.stats();
  await engine.close();
  console.log(`stopped: ${publishes} prices, ${skipped} skipped, ${messagesOut} sent, ${messagesDropped} dropped`);
}

process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());
