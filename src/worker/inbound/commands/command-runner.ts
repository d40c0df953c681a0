import type { Publisher } from '../../../shared/bus/publisher.ts';
import type { Envelope } from '../../../shared/codec/index.ts';
import { EngineError, refusalOf } from '../../../shared/errors/index.ts';
import { type Counters, counter } from '../../../shared/memory/counters.ts';
import type { ShardConnection } from '../../connection/shard-connection.ts';
import type { HandlerHost } from '../../handlers/handler-host.ts';
import type { Hub } from '../../outbound/hub.ts';
import type { Deadlines } from '../../upkeep/deadlines.ts';
import type { HeapBrake } from '../../upkeep/heap-brake.ts';
import type { Inbox } from '../inbox.ts';
import { overloaded, type Replies } from '../replies.ts';
import type { Command, CommandParts, CommandRequest } from './command.ts';

const forbidden = refusalOf('ERR_FORBIDDEN', 'not allowed');
/** Created once, because it may be sent very often. */
const heapFull = new EngineError('ERR_LIMIT_HEAP', 'the server has no room for another membership, try later');

export interface CommandRunnerOptions {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly handlers: HandlerHost;
  readonly inbox: Inbox;
  readonly replies: Replies;
  readonly counters: Counters;
  /** Null: the heap is not watched. */
  readonly heapBrake: HeapBrake | null;
  readonly deadlines: Deadlines;
}

/** A command whose `authorize` is awaited. */
interface AwaitedCommand {
  readonly type: string;
  readonly command: Command;
  /** Null once the deadline has passed. */
  request: CommandRequest | null;
  /** What `checkSender` found when the message came: a client that has left since is in no room any more. */
  readonly refusal: EngineError | null;
}

/** Carries out what clients ask for by control messages, if they may. */
export class CommandRunner {
  readonly #parts: CommandParts;
  readonly #hub: Hub;
  readonly #handlers: HandlerHost;
  readonly #inbox: Inbox;
  readonly #replies: Replies;
  readonly #counters: Counters;
  readonly #heapBrake: HeapBrake | null;
  readonly #deadlines: Deadlines;

  constructor(options: CommandRunnerOptions) {
    this.#parts = { hub: options.hub, publisher: options.publisher };
    this.#hub = options.hub;
    this.#handlers = options.handlers;
    this.#inbox = options.inbox;
    this.#replies = options.replies;
    this.#counters = options.counters;
    this.#heapBrake = options.heapBrake;
    this.#deadlines = options.deadlines;
  }

  /** Asks the `authorize` handler where there is one; later messages of the connection wait if its answer does. */
  runCommand(connection: ShardConnection, envelope: Envelope, command: Command): void {
    const { type } = envelope;
    const { action, target } = command;
    let request: CommandRequest;
    try {
      request = command.readRequest(connection, envelope);
      // Before the handler is asked: it need not cope with impossible names.
      if (action !== null && target !== 'everyone') this.#hub.checkNameOfClient(target, request.name);
    } catch (error) {
      this.#replies.refuse(connection, type, error);
      return;
    }
    if (action === null) {
      this.#perform(connection, type, command, request);
      return;
    }
    const answer = this.#handlers.callAuthorize(connection, action, request.name);
    const allowed = answer ?? command.isAllowedByDefault;
    if (allowed === true) this.#perform(connection, type, command, request);
    else if (allowed === false) this.#forbid(connection, type);
    else this.#awaitAuthorize(connection, type, command, request, allowed);
  }

  #awaitAuthorize(
    connection: ShardConnection,
    type: string,
    command: Command,
    request: CommandRequest,
    answer: Promise<boolean>,
  ): void {
    const waiting: AwaitedCommand = {
      type,
      command,
      request: keptRequest(command, request),
      refusal: command.checkSender(connection, request),
    };
    const release = this.#inbox.holdFrames(connection);
    const awaited = this.#deadlines.awaitHandler('authorize', connection, () => {
      waiting.request = null;
      this.#counters.add(counter.messagesAbandoned, 1);
      release();
    });
    void answer.then((allowed) => {
      if (!this.#deadlines.stopAwaiting(awaited)) return;
      try {
        this.#runAwaited(connection, waiting, allowed);
      } finally {
        release();
      }
    });
  }

  /** An allowed message is also published if its client has left meanwhile: the message came before. */
  #runAwaited(connection: ShardConnection, waiting: AwaitedCommand, allowed: boolean): void {
    const { type, command, request, refusal } = waiting;
    if (request === null) return;
    if (!allowed) this.#forbid(connection, type);
    else if (connection.isOpen) this.#perform(connection, type, command, request);
    else if (command.publishes) this.#performAfterLeave(connection, command, request, refusal);
  }

  #performAfterLeave(
    connection: ShardConnection,
    command: Command,
    request: CommandRequest,
    refusal: EngineError | null,
  ): void {
    if (refusal !== null) this.#counters.add(counter.controlRefused, 1);
    // The shard may have ended, too. A full ring counts by itself.
    else if (command.perform(this.#parts, connection, request) === 'closed') {
      this.#counters.add(counter.messagesAbandoned, 1);
    }
  }

  #perform(connection: ShardConnection, type: string, command: Command, request: CommandRequest): void {
    if (command.takesMemory && this.#heapBrake?.isOn === true) {
      this.#counters.add(counter.heapRefused, 1);
      this.#replies.refuse(connection, type, heapFull);
      return;
    }
    const refusal = command.checkSender(connection, request);
    if (refusal !== null) {
      this.#replies.refuse(connection, type, refusal);
      return;
    }
    try {
      if (command.perform(this.#parts, connection, request) !== 'queued') throw overloaded;
    } catch (error) {
      this.#replies.refuse(connection, type, error);
      return;
    }
    this.#replies.confirm(connection, type, request.name);
  }

  #forbid(connection: ShardConnection, type: string): void {
    this.#replies.refuse(connection, type, forbidden);
  }
}

/** A copy for later of what the command uses: the message's bytes belong to the socket library. */
function keptRequest(command: Command, { name, envelope }: CommandRequest): CommandRequest {
  const data = command.publishes && envelope.data !== null ? envelope.data.slice() : null;
  return { name, envelope: { ...envelope, data } };
}
