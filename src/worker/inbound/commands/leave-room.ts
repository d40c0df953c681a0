import { allowSender, type Command } from './command.ts';
import { readRoom } from './control-data.ts';

export const leaveRoom: Command = {
  action: null,
  isAllowedByDefault: true,
  target: 'room',
  takesMemory: false,
  publishes: false,
  readRequest: (connection, envelope) => ({ name: readRoom(connection, envelope), envelope }),
  checkSender: allowSender,
  perform({ hub }, connection, { name }) {
    hub.leave('room', name, connection);
    return 'queued';
  },
};
