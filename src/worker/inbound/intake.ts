import type { ShardJob } from '../../shared/bus/ipc.ts';
import type { Publisher } from '../../shared/bus/publisher.ts';
import type { Envelope } from '../../shared/codec/index.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode, errorText } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { interest, type StateBoard } from '../../shared/memory/engine-memory.ts';
import { nowNanos, receivedMessage } from '../../shared/message/message.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { Handlers } from '../handlers/api.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { OffloadPort } from '../offload/offload-port.ts';
import type { FanOut } from '../outbound/fan-out.ts';
import type { Hub } from '../outbound/hub.ts';
import type { Sealer } from '../sealing/sealer.ts';
import { Deadlines } from '../upkeep/deadlines.ts';
import type { HeapBrake } from '../upkeep/heap-brake.ts';
import { Commands } from './commands.ts';
import { type Command, readCommand } from './control.ts';
import { Inbox } from './inbox.ts';
import { Rates } from './rates.ts';
import { overloaded, Replies } from './replies.ts';
import { SealedIn } from './sealed-in.ts';

export interface IntakeOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly board: StateBoard;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly publisher: Publisher;
  readonly guard: HandlerGuard;
  readonly log: ShardLog;
  /** Null: the engine has no `security` option. */
  readonly sealer: Sealer | null;
  readonly offload: OffloadPort<ShardJob>;
  /** Null: nobody looks after the heap. */
  readonly heapBrake: HeapBrake | null;
}

/** More than sealing adds to a message: both keys, a session, a flag. */
const sealOverheadBytes = 512;

/** Where the messages of clients come in: counted, opened, decoded, shown to handlers, and told from commands. */
export class Intake {
  /** Set once the handler module is loaded, before the first connection. */
  handlers: Handlers = {};
  readonly #inbox: Inbox;
  readonly #commands: Commands;
  readonly #deadlines: Deadlines;
  readonly #replies: Replies;
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #board: StateBoard;
  readonly #publisher: Publisher;
  readonly #guard: HandlerGuard;
  readonly #sealer: Sealer | null;
  readonly #sealedIn: SealedIn | null;
  readonly #rates: Rates | null;
  readonly #heapBrake: HeapBrake | null;
  /** Of a message as it arrives. */
  readonly #maxBytes: number;

  constructor(options: IntakeOptions) {
    this.#config = options.config;
    this.#counters = options.counters;
    this.#board = options.board;
    this.#publisher = options.publisher;
    this.#guard = options.guard;
    this.#maxBytes = options.config.maxMessageBytes + (options.sealer === null ? 0 : sealOverheadBytes);
    this.#inbox = new Inbox(options.config, options.counters, this.#maxBytes, (connection, bytes) =>
      this.#receive(connection, bytes),
    );
    this.#deadlines = new Deadlines(options);
    this.#replies = new Replies(options);
    this.#commands = new Commands({
      ...options,
      inbox: this.#inbox,
      replies: this.#replies,
      deadlines: this.#deadlines,
    });
    this.#sealer = options.sealer;
    this.#rates = Rates.of(options.config.limits);
    this.#heapBrake = options.heapBrake;
    this.#sealedIn =
      options.sealer === null
        ? null
        : new SealedIn({
            config: options.config,
            counters: options.counters,
            sealer: options.sealer,
            offload: options.offload,
            inbox: this.#inbox,
            log: options.log,
            opened: (connection, bytes, frameBytes) => this.#opened(connection, bytes, frameBytes),
          });
  }

  /** Runs the `connect` handler, then `after`; messages wait until both are done (checklist H-32). */
  welcome(connection: ShardConnection, after: () => void): void {
    const { connect } = this.handlers;
    const done =
      connect === undefined
        ? undefined
        : this.#guard.run('connect', connection, () => connect.call(this.handlers, connection));
    if (done === undefined) {
      after();
      return;
    }
    const release = this.#inbox.pause(connection);
    const awaited = this.#deadlines.await('connect', connection, release);
    connection.connecting = awaited;
    void done.then(() => {
      connection.connecting = null;
      if (!this.#deadlines.settle(awaited)) return;
      try {
        after();
      } finally {
        release();
      }
    });
  }

  /** The connection is closing, or has ended: nothing that waits is handled any more. */
  abandon(connection: ShardConnection): void {
    this.#inbox.abandon(connection);
  }

  /** The connection has ended: nothing of it is handled any more, nor waited for. */
  forget(connection: ShardConnection): void {
    this.#inbox.forget(connection);
    if (connection.connecting !== null) this.#deadlines.settle(connection.connecting);
    connection.connecting = null;
  }

  stop(): void {
    this.#deadlines.stop();
  }

  /** Messages of the connection wait until `settled`. */
  holdUntil(connection: ShardConnection, settled: Promise<void>): void {
    this.#inbox.hold(connection, settled);
  }

  /** A message as it arrived; `bytes` are valid only during the call. */
  accept(connection: ShardConnection, bytes: Uint8Array): void {
    if (!connection.isOpen) {
      this.#counters.add(counter.messagesAbandoned, 1);
      return;
    }
    this.#heapBrake?.grew(bytes.length);
    // What must be opened first counts only then (checklist H-100).
    if (this.#sealer === null) this.#count(bytes.length);
    if (bytes.length > this.#maxBytes) {
      this.#tooLarge(connection);
      return;
    }
    if (this.#rates !== null && !this.#isWithin(this.#rates, connection, bytes.length)) return;
    const verdict = this.#inbox.accept(connection, bytes);
    if (verdict !== 'taken') this.#overrun(connection, verdict);
  }

  /** A ping, which has been answered, or a pong: each counts as a message without bytes. */
  control(connection: ShardConnection): void {
    if (!connection.isOpen) return;
    if (this.#rates !== null && !this.#isWithin(this.#rates, connection, 0)) return;
    this.#inbox.control(connection);
  }

  /** A client has gone. Calls `after` once what it sent before that is handled. */
  finish(connection: ShardConnection, after: () => void): void {
    this.#inbox.finish(connection, after);
  }

  #isWithin(rates: Rates, connection: ShardConnection, bytes: number): boolean {
    const verdict = rates.take(connection, bytes, performance.now());
    if (verdict === 'within') return true;
    this.#counters.add(counter.rateLimited, 1);
    connection.close(closeCode.limitExceeded, verdict);
    return false;
  }

  #overrun(connection: ShardConnection, verdict: 'too much for a handler' | 'too much for a turn'): void {
    this.#counters.add(counter.messagesAbandoned, 1);
    if (verdict === 'too much for a handler') {
      connection.close(closeCode.limitExceeded, 'too many messages while a handler is awaited');
      return;
    }
    this.#counters.add(counter.turnsOverrun, 1);
    connection.close(closeCode.limitExceeded, 'too much at once');
  }

  #receive(connection: ShardConnection, bytes: Uint8Array): void {
    if (this.#sealedIn === null || this.#sealer === null) {
      this.#handle(connection, bytes);
    } else if (this.#sealer.isPiped(connection)) {
      this.#sealedIn.open(connection, bytes);
    } else {
      this.#opened(connection, bytes, bytes.length);
    }
  }

  #opened(connection: ShardConnection, bytes: Uint8Array, frameBytes: number): void {
    this.#count(frameBytes);
    // What a deflated payload has become counts, too (that of permessage-deflate did, when it came).
    if (bytes.length > frameBytes) this.#rates?.add(connection, bytes.length - frameBytes, performance.now());
    if (bytes.length > this.#config.maxMessageBytes) this.#tooLarge(connection);
    else this.#handle(connection, bytes);
  }

  #count(bytes: number): void {
    this.#counters.add(counter.messagesIn, 1);
    this.#counters.add(counter.bytesIn, bytes);
  }

  #tooLarge(connection: ShardConnection): void {
    this.#counters.add(counter.messagesTooLarge, 1);
    connection.close(closeCode.messageTooBig, '');
  }

  #handle(connection: ShardConnection, bytes: Uint8Array): void {
    let envelope: Envelope;
    try {
      envelope = connection.codecImpl.decode(bytes);
    } catch (error) {
      this.#malformed(connection, error);
      return;
    }
    connection.malformed = 0;
    envelope.clientId = connection.id;
    if (envelope.timestamp === 0n) envelope.timestamp = nowNanos();
    const seen = this.#show(connection, envelope);
    // A handler may have closed the connection: then nothing more is done for it.
    if (seen === 'refused' || !connection.isOpen) return;
    this.#act(connection, envelope, seen === 'seen');
  }

  /** Shows a message to the handler module and to main's listeners, if any; `refused`: main could not be reached. */
  #show(connection: ShardConnection, envelope: Envelope): 'seen' | 'unseen' | 'refused' {
    const { message } = this.handlers;
    const mainListens = (this.#board.interest & interest.message) !== 0;
    if (message !== undefined) {
      const received = receivedMessage(envelope);
      this.#guard.run('message', connection, () => message.call(this.handlers, connection, received));
    }
    if (mainListens && this.#publisher.writeMessageNotice(envelope) === 'overloaded') {
      this.#replies.refuse(connection, envelope.type, overloaded());
      return 'refused';
    }
    return message !== undefined || mainListens ? 'seen' : 'unseen';
  }

  #act(connection: ShardConnection, envelope: Envelope, seen: boolean): void {
    let command: Command | undefined;
    try {
      command = readCommand(connection, envelope);
    } catch (error) {
      this.#replies.refuse(connection, envelope.type, error);
      return;
    }
    if (command !== undefined) {
      this.#commands.take(this.handlers, connection, envelope, command);
      return;
    }
    if (seen) return;
    this.#counters.add(counter.messagesUnknownType, 1);
    this.#replies.error(connection, envelope.type, 'ERR_TYPE_UNKNOWN', 'nothing handles messages of this type');
  }

  #malformed(connection: ShardConnection, error: unknown): void {
    this.#counters.add(counter.messagesMalformed, 1);
    connection.malformed += 1;
    this.#replies.error(connection, '', 'ERR_MESSAGE_MALFORMED', errorText(error));
    if (connection.malformed >= this.#config.limits.malformedMessages) {
      connection.close(closeCode.badMessage, 'too many malformed messages');
    }
  }
}
