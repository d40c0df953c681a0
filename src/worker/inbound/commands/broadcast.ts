import { allowSender, type Command } from './command.ts';

/** To every connection of the engine: clients may only if `authorize` allows it. */
export const broadcast: Command = {
  action: 'broadcast',
  isAllowedByDefault: false,
  target: 'everyone',
  takesMemory: false,
  publishes: true,
  readRequest: (_connection, envelope) => ({ name: '', envelope: { ...envelope, id: 0 } }),
  checkSender: allowSender,
  perform: ({ publisher }, _connection, { name, envelope }) => publisher.publishEnvelope('everyone', name, envelope),
};
