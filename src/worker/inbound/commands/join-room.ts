import { allowSender, type Command } from './command.ts';
import { readRoom } from './control-data.ts';

export const joinRoom: Command = {
  action: 'join',
  isAllowedByDefault: true,
  target: 'room',
  takesMemory: true,
  publishes: false,
  readRequest: (connection, envelope) => ({ name: readRoom(connection, envelope), envelope }),
  checkSender: allowSender,
  perform({ hub }, connection, { name }) {
    // Throws if a limit of the connection is reached.
    hub.join('room', name, connection);
    return 'queued';
  },
};
