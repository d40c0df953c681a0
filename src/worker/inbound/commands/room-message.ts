import { refusalOf } from '../../../shared/errors/index.ts';
import type { Command } from './command.ts';

const notAMember = refusalOf('ERR_NOT_A_MEMBER', 'only members may send to a room');

/** The room and the payload are in the data. Only members may send. */
export const roomMessage: Command = {
  action: 'room',
  isAllowedByDefault: true,
  target: 'room',
  takesMemory: false,
  publishes: true,
  readRequest(connection, envelope) {
    const message = connection.codecImpl.control.decodeRoomMessage(envelope.data);
    if (message === undefined) {
      throw refusalOf('ERR_ROOM_INVALID', 'data must be {"room_id": "<id>", "data": <any>}');
    }
    const { roomId, data, dataIsJson } = message;
    return { name: roomId, envelope: { ...envelope, channel: roomId, data, dataIsJson, id: 0 } };
  },
  checkSender: (connection, { name }) => (connection.memberships('room').has(name) ? null : notAMember),
  perform: ({ publisher }, _connection, { name, envelope }) => publisher.publishEnvelope('room', name, envelope),
};
