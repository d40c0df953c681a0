import { allowSender, type Command } from './command.ts';
import { readChannel } from './control-data.ts';

export const subscribe: Command = {
  action: 'subscribe',
  isAllowedByDefault: true,
  target: 'channel',
  takesMemory: true,
  publishes: false,
  readRequest: (connection, envelope) => ({ name: readChannel(connection, envelope), envelope }),
  checkSender: allowSender,
  perform({ hub }, connection, { name }) {
    // Throws if a limit of the connection is reached.
    hub.join('channel', name, connection);
    return 'queued';
  },
};
