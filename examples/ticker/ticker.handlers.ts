import { defineHandlers, type Handlers } from 'shardwire/handlers';

/** Without this, any client could publish a price. */
const handlers: Handlers = defineHandlers({
  authorize(_connection, action, target) {
    return action === 'subscribe' && target.startsWith('price:');
  },
});

export default handlers;
