import { isThenable } from '../../shared/base/thenable.ts';
import type { Publisher } from '../../shared/bus/publisher.ts';
import type { Envelope } from '../../shared/codec/index.ts';
import { EngineError, refusalOf } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { Handlers } from '../handlers/api.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { Hub } from '../outbound/hub.ts';
import type { Deadlines } from '../upkeep/deadlines.ts';
import type { HeapBrake } from '../upkeep/heap-brake.ts';
import type { Command } from './control.ts';
import type { Inbox } from './inbox.ts';
import { overloaded, type Replies } from './replies.ts';

const forbidden = refusalOf('ERR_FORBIDDEN', 'not allowed');
const notAMember = refusalOf('ERR_NOT_A_MEMBER', 'only members may send to a room');

export interface CommandsOptions {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly guard: HandlerGuard;
  readonly inbox: Inbox;
  readonly replies: Replies;
  readonly counters: Counters;
  /** Null: nobody looks after the heap. */
  readonly heapBrake: HeapBrake | null;
  readonly deadlines: Deadlines;
}

/** A command whose `authorize` is awaited. */
interface Asked {
  readonly type: string;
  /** Null once it was given up. */
  command: Command | null;
  /** Of a message to a room: whether its sender was a member, which it is no longer once it has left. */
  readonly wasMember: boolean;
}

/** Made once: it is for a flood. */
const heapFull = new EngineError('ERR_LIMIT_HEAP', 'the server has no room for another membership, try later');

/** Carries out what clients ask for by control messages, if they may. */
export class Commands {
  readonly #hub: Hub;
  readonly #publisher: Publisher;
  readonly #guard: HandlerGuard;
  readonly #inbox: Inbox;
  readonly #replies: Replies;
  readonly #counters: Counters;
  readonly #heapBrake: HeapBrake | null;
  readonly #deadlines: Deadlines;

  constructor(options: CommandsOptions) {
    this.#hub = options.hub;
    this.#publisher = options.publisher;
    this.#guard = options.guard;
    this.#inbox = options.inbox;
    this.#replies = options.replies;
    this.#counters = options.counters;
    this.#heapBrake = options.heapBrake;
    this.#deadlines = options.deadlines;
  }

  /** Asks the `authorize` handler where there is one; later messages of the connection wait if its answer does. */
  take(handlers: Handlers, connection: ShardConnection, envelope: Envelope, command: Command): void {
    const { authorize } = handlers;
    if (command.do === 'leave') {
      this.#perform(connection, envelope.type, command);
      return;
    }
    try {
      // A handler need not cope with names that cannot be.
      if (command.do === 'join') this.#hub.checkNameOfClient(command.kind, command.name);
      else if (command.to !== 'everyone') this.#hub.checkNameOfClient(command.to, command.name);
    } catch (error) {
      this.#replies.refuse(connection, envelope.type, error);
      return;
    }
    if (authorize === undefined) {
      if (command.action === 'broadcast') this.#forbid(connection, envelope.type);
      else this.#perform(connection, envelope.type, command);
      return;
    }
    let verdict: boolean | PromiseLike<boolean> = false;
    try {
      verdict = authorize.call(handlers, connection, command.action, command.name);
    } catch (error) {
      this.#guard.failed('authorize', connection, error);
    }
    if (isThenable(verdict)) this.#wait(connection, envelope.type, command, verdict);
    else if (verdict === true) this.#perform(connection, envelope.type, command);
    else this.#forbid(connection, envelope.type);
  }

  /** What is allowed is carried out also if the client has left in the meantime: its message came before. */
  #wait(connection: ShardConnection, type: string, command: Command, verdict: PromiseLike<boolean>): void {
    const isToRoom = command.do === 'publish' && command.to === 'room';
    const asked: Asked = {
      type,
      command: keepData(command),
      wasMember: isToRoom && connection.memberships('room').has(command.name),
    };
    const release = this.#inbox.pause(connection);
    const awaited = this.#deadlines.await('authorize', connection, () => {
      asked.command = null;
      this.#counters.add(counter.messagesAbandoned, 1);
      release();
    });
    const settle = (allowed: boolean): void => {
      if (!this.#deadlines.settle(awaited)) return;
      try {
        this.#answered(connection, asked, allowed);
      } finally {
        release();
      }
    };
    Promise.resolve(verdict).then(
      (allowed) => settle(allowed === true),
      (error: unknown) => {
        this.#guard.failed('authorize', connection, error);
        settle(false);
      },
    );
  }

  #answered(connection: ShardConnection, { type, command, wasMember }: Asked, allowed: boolean): void {
    if (command === null) return;
    if (!allowed) this.#forbid(connection, type);
    else if (connection.isOpen) this.#perform(connection, type, command);
    // Who has left is in no channel and no room: there is nothing to join.
    else if (command.do === 'publish') this.#publishLate(command, wasMember);
  }

  #publishLate({ to, name, envelope }: Extract<Command, { do: 'publish' }>, wasMember: boolean): void {
    const isAllowed = to !== 'room' || wasMember;
    if (!isAllowed) this.#counters.add(counter.controlRefused, 1);
    // The shard may have ended, too. A full ring counts by itself.
    else if (this.#publisher.publishEnvelope(to, name, envelope) === 'closed') {
      this.#counters.add(counter.messagesAbandoned, 1);
    }
  }

  #perform(connection: ShardConnection, type: string, command: Command): void {
    if (command.do === 'join' && this.#heapBrake?.isOn === true) {
      this.#counters.add(counter.heapRefused, 1);
      this.#replies.refuse(connection, type, heapFull);
      return;
    }
    try {
      switch (command.do) {
        case 'join':
          this.#hub.join(command.kind, command.name, connection);
          break;
        case 'leave':
          this.#hub.leave(command.kind, command.name, connection);
          break;
        case 'publish':
          this.#publish(connection, command);
          break;
      }
    } catch (error) {
      this.#replies.refuse(connection, type, error);
      return;
    }
    this.#replies.ok(connection, type, command.name);
  }

  #publish(connection: ShardConnection, command: Extract<Command, { do: 'publish' }>): void {
    if (command.to === 'room' && !connection.memberships('room').has(command.name)) {
      throw notAMember;
    }
    if (this.#publisher.publishEnvelope(command.to, command.name, command.envelope) !== 'queued') throw overloaded();
  }

  #forbid(connection: ShardConnection, type: string): void {
    this.#replies.refuse(connection, type, forbidden);
  }
}

/** The message's bytes belong to the socket library: a command that is performed later takes a copy. */
function keepData(command: Command): Command {
  if (command.do !== 'publish' || command.envelope.data === null) return command;
  return { ...command, envelope: { ...command.envelope, data: command.envelope.data.slice() } };
}
