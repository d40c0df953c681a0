import {
  type Connection,
  defineHandlers,
  type HandlersFactory,
  type ReceivedMessage,
} from '#dist/worker/handlers/api.js';
import { collectGarbage } from './collect-garbage.ts';
import { channel, echoType, joinType, placeType, readyType, slowVariable, wrongShardCode } from './shardwire-talk.ts';

const slowUs = Number(process.env[slowVariable] ?? 0);

function burn(microseconds: number): void {
  const end = performance.now() + microseconds / 1000;
  while (performance.now() < end);
}

collectGarbage();

const handlers: HandlersFactory = defineHandlers((api) => {
  const isElsewhere = (connection: Connection, { data }: ReceivedMessage): boolean => {
    if (data.length === 0 || data.json() === api.shard) return false;
    connection.close(wrongShardCode, 'on another shard');
    return true;
  };
  return {
    message(connection, message) {
      if (slowUs > 0) burn(slowUs);
      if (message.type === echoType) {
        connection.send({ type: echoType, data: message.data });
      } else if (message.type === joinType || message.type === placeType) {
        if (isElsewhere(connection, message)) return;
        if (message.type === joinType) connection.subscribe(channel);
        connection.send({ type: readyType });
      }
    },
  };
});

export default handlers;
