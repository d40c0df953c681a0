import { defineHandlers, type Handlers } from '#dist/worker/handlers/api.js';

/** Says back what it is told, to the same connection. */
const handlers: Handlers = defineHandlers({
  message(connection, message) {
    if (message.type === 'echo') connection.send({ type: 'echo', data: message.data });
  },
});

export default handlers;
