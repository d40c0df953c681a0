import { broadcast } from './broadcast.ts';
import type { Command } from './command.ts';
import { joinRoom } from './join-room.ts';
import { leaveRoom } from './leave-room.ts';
import { publish } from './publish.ts';
import { roomMessage } from './room-message.ts';
import { subscribe } from './subscribe.ts';
import { unsubscribe } from './unsubscribe.ts';

/** The types of messages that the engine acts on. Every other type is for the handlers and main's listeners. */
export const commandTable: ReadonlyMap<string, Command> = new Map([
  ['subscribe', subscribe],
  ['unsubscribe', unsubscribe],
  ['join_room', joinRoom],
  ['leave_room', leaveRoom],
  ['publish', publish],
  ['broadcast', broadcast],
  ['room', roomMessage],
]);
