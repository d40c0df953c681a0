import { defineHandlers, type HandlersFactory } from '../worker/handlers/api.ts';

/** Channel on which pages tell each other of their connections. Clients may subscribe to it like to any other. */
const presence = 'presence';

/**
 * What `shardwire serve` runs in each shard unless given a module: a connection is told its id and shard, and those who
 * subscribe to `presence` are told who has left. The rest is the engine's default: clients may subscribe, publish, join
 * rooms and send to rooms they are in, and may not broadcast.
 */
const handlers: HandlersFactory = defineHandlers((shard) => ({
  connect(connection) {
    const { id, remoteAddress } = connection;
    connection.send({ type: 'welcome', data: { id, shard: shard.shard, remoteAddress } });
  },
  disconnect(connection) {
    shard.publish(presence, { type: 'left', data: { id: connection.id } });
  },
}));

export default handlers;
