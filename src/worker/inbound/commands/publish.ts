import { refusalOf } from '../../../shared/errors/index.ts';
import { allowSender, type Command } from './command.ts';

/** The channel is in the envelope, and its subscribers get the data as a `message`. */
export const publish: Command = {
  action: 'publish',
  isAllowedByDefault: true,
  target: 'channel',
  takesMemory: false,
  publishes: true,
  readRequest(_connection, envelope) {
    const { channel } = envelope;
    if (channel === '') throw refusalOf('ERR_CHANNEL_INVALID', 'publish needs the channel in the envelope');
    return { name: channel, envelope: { ...envelope, type: 'message', id: 0 } };
  },
  checkSender: allowSender,
  perform: ({ publisher }, _connection, { name, envelope }) => publisher.publishEnvelope('channel', name, envelope),
};
