import { type Connection, defineHandlers, type HandlersFactory, type MessageData } from 'shardwire/handlers';

/** Everyone is in this room; others are joined with `join_room`. */
const lobby = 'lobby';
const nameForm = /^[A-Za-z0-9_-]{1,32}$/;
const roomForm = /^[a-z0-9-]{1,64}$/;
const longestText = 2_000;

/** 4000–4999 belong to applications. */
const noName = 4001;

interface Say {
  readonly room: string;
  readonly text: string;
}

/** Undefined for data that is not JSON, such as what came as `data_base64`, and for no data. */
function readJson(data: MessageData): unknown {
  try {
    return data.json();
  } catch {
    return undefined;
  }
}

/** What a client wants to say, or why it cannot. */
function readSay(connection: Connection, data: unknown): Say | string {
  if (typeof data !== 'object' || data === null) return 'data must be {"room": "<room>", "text": "<text>"}';
  const { room, text } = data as Partial<Record<keyof Say, unknown>>;
  if (typeof room !== 'string' || !connection.rooms.includes(room)) return 'you are not in that room';
  if (typeof text !== 'string' || text === '' || text.length > longestText) {
    return `a text has 1 to ${longestText} characters`;
  }
  return { room, text };
}

/**
 * Rooms with names. A client connects as `/ws?client_id=ada`, joins rooms with the built-in `join_room`, and says
 * `{"type":"say","data":{"room":"lobby","text":"hi"}}`. The names are what clients claim: nothing here proves them.
 */
const handlers: HandlersFactory = defineHandlers((shard) => ({
  connect(connection) {
    if (!nameForm.test(connection.name)) {
      connection.close(noName, 'connect with ?client_id=<name>');
      return;
    }
    connection.joinRoom(lobby);
    connection.send({ type: 'welcome', data: { name: connection.name, shard: shard.shard } });
    shard.publishToRoom(lobby, { type: 'entered', data: { name: connection.name } });
  },

  message(connection, message) {
    if (message.type !== 'say') return;
    const say = readSay(connection, readJson(message.data));
    if (typeof say === 'string') {
      connection.send({ type: 'refused', data: { reason: say } });
      return;
    }
    const data = { room: say.room, name: connection.name, text: say.text };
    const verdict = shard.publishToRoom(say.room, { type: 'said', data, clientId: connection.id });
    if (verdict === 'overloaded') connection.send({ type: 'refused', data: { reason: 'try again' } });
  },

  disconnect(connection) {
    // One that was turned away has not entered.
    if (nameForm.test(connection.name)) {
      shard.publishToRoom(lobby, { type: 'left', data: { name: connection.name } });
    }
  },

  // Clients may join rooms, and nothing else: what is said goes through `say`, so that it carries a name.
  authorize(_connection, action, target) {
    return action === 'join' && roomForm.test(target);
  },
}));

export default handlers;
