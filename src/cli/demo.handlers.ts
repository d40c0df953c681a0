import { defineHandlers, type HandlersFactory } from '../worker/handlers/api.ts';

/** Channel on which pages announce their connections. Clients may subscribe to it like to any other. */
const presence = 'presence';

/**
 * The handlers of `shardwire serve` unless a module is given. A connection gets its id and shard, and subscribers of
 * `presence` learn which connections have left. The rest is the engine's default: clients may subscribe, publish, join
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
