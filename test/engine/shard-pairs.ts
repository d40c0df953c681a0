import type { Engine } from '#dist/main/index.js';
import { type Client, type ConnectOptions, connect } from '../support/client.ts';

/** The shard that a connection id names: its part before the first dash, in base 36. */
export function shardOf(id: string): number {
  return Number.parseInt(id.slice(0, id.indexOf('-')), 36);
}

/** One client per shard, in the order of the shards: connects until every shard has one, and ends the others. */
export async function clientPerShard(engine: Engine, options: ConnectOptions = {}): Promise<readonly Client[]> {
  const found = new Map<number, Client>();
  for (let tries = 0; tries < 500 && found.size < engine.shards; tries++) {
    const client = await connect(engine, options);
    const shard = shardOf(await client.sync());
    if (found.has(shard)) client.terminate();
    else found.set(shard, client);
  }
  return Array.from({ length: engine.shards }, (_, shard) => {
    const client = found.get(shard);
    if (client === undefined) throw new Error(`no connection came to shard ${shard}`);
    return client;
  });
}

/** Two clients that are on different shards. */
export async function clientsApart(engine: Engine, options: ConnectOptions = {}): Promise<[Client, Client]> {
  const [first, second] = await clientPerShard(engine, options);
  if (first === undefined || second === undefined) throw new Error('the engine has one shard');
  if (shardOf(first.id) === shardOf(second.id)) throw new Error('both clients are on one shard');
  return [first, second];
}
