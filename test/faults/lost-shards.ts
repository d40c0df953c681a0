import type { Engine, EngineEvents } from '#dist/main/index.js';
import { shardOf } from '../engine/shard-pairs.ts';
import { type Client, connect } from '../support/client.ts';
import { within } from '../support/waiting.ts';

export const handlers: URL = new URL('./fixtures/faulty.handlers.js', import.meta.url);

/** A client on a given shard. */
export async function clientOn(engine: Engine, shard: number): Promise<Client> {
  for (let tries = 0; tries < 500; tries++) {
    const client = await connect(engine);
    if (shardOf(await client.sync()) === shard) return client;
    client.terminate();
  }
  throw new Error(`no connection came to shard ${shard}`);
}

/** The next event of that name; ask before what causes it. */
export function coming<K extends keyof EngineEvents>(engine: Engine, name: K): Promise<EngineEvents[K]> {
  // Not to be told of an error meanwhile: 'error' is an event like others here.
  return within(
    new Promise((resolve) => {
      const listener = (...args: unknown[]): void => {
        engine.off(name, listener as never);
        resolve(args as EngineEvents[K]);
      };
      engine.on(name, listener as never);
    }),
    `the event ${name}`,
  );
}

/** Makes the shard of a client fail; resolves once it has been replaced. */
export async function failShard(engine: Engine, victim: Client): Promise<void> {
  const lost = coming(engine, 'shard-lost');
  const restarted = coming(engine, 'shard-restarted');
  victim.send({ type: 'crash' });
  await lost;
  await restarted;
}
