import type { Publisher } from '../../shared/bus/publisher.ts';
import { closeCode } from '../../shared/errors/index.ts';
import type { ShardApi } from '../handlers/api.ts';

/** What handler modules get: these methods and nothing else, which may be taken off the object. */
export function createShardApi(shard: number, publisher: Publisher): ShardApi {
  return Object.freeze<ShardApi>({
    shard,
    publish: (channel, message) => publisher.publishMessage('channel', channel, message),
    publishToRoom: (room, message) => publisher.publishMessage('room', room, message),
    broadcast: (message) => publisher.publishMessage('everyone', '', message),
    send: (connectionId, message) => publisher.sendMessage(connectionId, message),
    disconnect: (connectionId, code = closeCode.normal, reason = '') =>
      publisher.orderDisconnect(connectionId, code, reason),
  });
}
