import type { Publisher } from '../../shared/bus/publisher.ts';
import type { Envelope } from '../../shared/codec/index.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode, errorText } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { interest, type StateBoard } from '../../shared/memory/engine-memory.ts';
import { nowNanos } from '../../shared/message/message.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerHost } from '../handlers/handler-host.ts';
import { CommandRunner, type CommandRunnerOptions } from './commands/command-runner.ts';
import { commandTable } from './commands/table.ts';
import { overloaded, type Replies } from './replies.ts';

export interface MessagesOptions extends CommandRunnerOptions {
  readonly config: EngineConfig;
  readonly board: StateBoard;
}

/** Decodes the messages of clients, shows them to handlers and listeners, and runs those that are commands. */
export class Messages {
  readonly #malformedLimit: number;
  readonly #counters: Counters;
  readonly #board: StateBoard;
  readonly #publisher: Publisher;
  readonly #handlers: HandlerHost;
  readonly #replies: Replies;
  readonly #commands: CommandRunner;

  constructor(options: MessagesOptions) {
    this.#malformedLimit = options.config.limits.malformedMessages;
    this.#counters = options.counters;
    this.#board = options.board;
    this.#publisher = options.publisher;
    this.#handlers = options.handlers;
    this.#replies = options.replies;
    this.#commands = new CommandRunner(options);
  }

  /** `bytes` are those that the codec reads: opened, if they were sealed. Valid only during the call. */
  handleMessage(connection: ShardConnection, bytes: Uint8Array): void {
    let envelope: Envelope;
    try {
      envelope = connection.codecImpl.decode(bytes);
    } catch (error) {
      this.#refuseMalformed(connection, error);
      return;
    }
    connection.malformed = 0;
    // Overrides what the message claims.
    envelope.clientId = connection.id;
    envelope.offset = 0;
    if (envelope.timestamp === 0n) envelope.timestamp = nowNanos();
    const seen = this.#showMessage(connection, envelope);
    // A handler may have closed the connection: then nothing more is done for it.
    if (seen === 'refused' || !connection.isOpen) return;
    const command = commandTable.get(envelope.type);
    if (command !== undefined) this.#commands.runCommand(connection, envelope, command);
    else if (seen === 'unseen') this.#refuseUnknown(connection, envelope.type);
  }

  /** Shows a message to the handler module and to main's listeners, if any. `refused`: main's ring is full. */
  #showMessage(connection: ShardConnection, envelope: Envelope): 'seen' | 'unseen' | 'refused' {
    const mainListens = (this.#board.interest & interest.message) !== 0;
    const isHandled = this.#handlers.callMessage(connection, envelope);
    if (mainListens && this.#publisher.writeMessageNotice(envelope) === 'overloaded') {
      this.#replies.refuse(connection, envelope.type, overloaded);
      return 'refused';
    }
    return isHandled || mainListens ? 'seen' : 'unseen';
  }

  #refuseUnknown(connection: ShardConnection, type: string): void {
    this.#counters.add(counter.messagesUnknownType, 1);
    this.#replies.replyError(connection, type, 'ERR_TYPE_UNKNOWN', 'nothing handles messages of this type');
  }

  #refuseMalformed(connection: ShardConnection, error: unknown): void {
    this.#counters.add(counter.messagesMalformed, 1);
    connection.malformed += 1;
    this.#replies.replyError(connection, '', 'ERR_MESSAGE_MALFORMED', errorText(error));
    if (connection.malformed >= this.#malformedLimit) {
      connection.close(closeCode.badMessage, 'too many malformed messages');
    }
  }
}
