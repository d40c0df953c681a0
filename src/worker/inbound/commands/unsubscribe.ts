import { allowSender, type Command } from './command.ts';
import { readChannel } from './control-data.ts';

export const unsubscribe: Command = {
  action: null,
  isAllowedByDefault: true,
  target: 'channel',
  takesMemory: false,
  publishes: false,
  readRequest: (connection, envelope) => ({ name: readChannel(connection, envelope), envelope }),
  checkSender: allowSender,
  perform({ hub }, connection, { name }) {
    hub.leave('channel', name, connection);
    return 'queued';
  },
};
