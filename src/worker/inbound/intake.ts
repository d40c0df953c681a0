import type { ShardJob } from '../../shared/bus/ipc.ts';
import type { Publisher } from '../../shared/bus/publisher.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { StateBoard } from '../../shared/memory/engine-memory.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { HandlerHost } from '../handlers/handler-host.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { OffloadPort } from '../offload/offload-port.ts';
import type { FanOut } from '../outbound/fan-out.ts';
import type { Hub } from '../outbound/hub.ts';
import type { Sealer } from '../sealing/sealer.ts';
import type { Deadlines } from '../upkeep/deadlines.ts';
import type { HeapBrake } from '../upkeep/heap-brake.ts';
import { type FrameHandler, Inbox } from './inbox.ts';
import { Messages } from './messages.ts';
import { Rates } from './rates.ts';
import { Replies } from './replies.ts';
import { type OpenedFrameHandler, SealedIn } from './sealed-in.ts';

export interface IntakeOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly board: StateBoard;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly publisher: Publisher;
  readonly guard: HandlerGuard;
  readonly handlers: HandlerHost;
  readonly deadlines: Deadlines;
  readonly log: ShardLog;
  /** Null: the engine has no `security` option. */
  readonly sealer: Sealer | null;
  readonly offload: OffloadPort<ShardJob>;
  /** Null: the heap is not watched. */
  readonly heapBrake: HeapBrake | null;
}

/** More than sealing adds to a message: both keys, a session, a flag. */
const sealOverheadBytes = 512;

/**
 * Where the messages of clients come in. Each is counted, checked against the limits of size and rate, kept in order with
 * the others of its connection, and opened if it is sealed. Then `Messages` handles it. A client that exceeds a limit is
 * closed.
 */
export class Intake implements FrameHandler, OpenedFrameHandler {
  readonly inbox: Inbox;
  readonly #messages: Messages;
  readonly #maxMessageBytes: number;
  readonly #counters: Counters;
  /** Null: nothing is sealed. */
  readonly #sealedIn: SealedIn | null;
  readonly #rates: Rates | null;
  readonly #heapBrake: HeapBrake | null;
  /** Of a message as it arrives. */
  readonly #maxFrameBytes: number;

  constructor(options: IntakeOptions) {
    const { config, counters, sealer } = options;
    this.#maxMessageBytes = config.maxMessageBytes;
    this.#counters = counters;
    this.#heapBrake = options.heapBrake;
    this.#rates = Rates.of(config.limits);
    this.#maxFrameBytes = config.maxMessageBytes + (sealer === null ? 0 : sealOverheadBytes);
    this.inbox = new Inbox(config, counters, this.#maxFrameBytes, this);
    this.#messages = new Messages({ ...options, inbox: this.inbox, replies: new Replies(options) });
    this.#sealedIn = sealer === null ? null : new SealedIn({ ...options, sealer, inbox: this.inbox, handler: this });
  }

  /** A message as it arrived; `bytes` are valid only during the call. */
  receiveFrame(connection: ShardConnection, bytes: Uint8Array): void {
    if (!connection.isOpen) {
      this.#counters.add(counter.messagesAbandoned, 1);
      return;
    }
    this.#heapBrake?.grew(bytes.length);
    // Of sealed messages only those count that could be opened.
    if (this.#sealedIn === null) this.#countIn(bytes.length);
    if (bytes.length > this.#maxFrameBytes) {
      this.#closeTooLarge(connection);
      return;
    }
    if (this.#rates !== null && !this.#isWithinRates(this.#rates, connection, bytes.length)) return;
    const verdict = this.inbox.admitFrame(connection, bytes);
    if (verdict === 'now') this.openFrame(connection, bytes);
    else if (verdict !== 'kept') this.#closeOverrun(connection, verdict);
  }

  /** A ping, which has been answered, or a pong: each counts as a message without bytes. */
  receiveControlFrame(connection: ShardConnection): void {
    if (!connection.isOpen) return;
    if (this.#rates !== null && !this.#isWithinRates(this.#rates, connection, 0)) return;
    this.inbox.countControlFrame(connection);
  }

  /** A message that may be handled: at once, or when the inbox releases it. */
  openFrame(connection: ShardConnection, bytes: Uint8Array): void {
    if (this.#sealedIn === null) this.#messages.handleMessage(connection, bytes);
    else this.#sealedIn.openSealed(connection, bytes);
  }

  /** What `SealedIn` has opened. */
  handleOpened(connection: ShardConnection, bytes: Uint8Array, frameBytes: number): void {
    this.#countIn(frameBytes);
    // The inflated size counts against the rate, too. With permessage-deflate it was counted on arrival.
    if (bytes.length > frameBytes) {
      this.#rates?.countMoreBytes(connection, bytes.length - frameBytes, performance.now());
    }
    if (bytes.length > this.#maxMessageBytes) this.#closeTooLarge(connection);
    else this.#messages.handleMessage(connection, bytes);
  }

  #countIn(bytes: number): void {
    this.#counters.add(counter.messagesIn, 1);
    this.#counters.add(counter.bytesIn, bytes);
  }

  #isWithinRates(rates: Rates, connection: ShardConnection, bytes: number): boolean {
    const verdict = rates.countMessage(connection, bytes, performance.now());
    if (verdict === 'within') return true;
    this.#counters.add(counter.rateLimited, 1);
    connection.close(closeCode.limitExceeded, verdict);
    return false;
  }

  #closeOverrun(connection: ShardConnection, verdict: 'too much for a handler' | 'too much for a turn'): void {
    this.#counters.add(counter.messagesAbandoned, 1);
    if (verdict === 'too much for a handler') {
      connection.close(closeCode.limitExceeded, 'too many messages while a handler is awaited');
      return;
    }
    this.#counters.add(counter.turnsOverrun, 1);
    connection.close(closeCode.limitExceeded, 'too much at once');
  }

  #closeTooLarge(connection: ShardConnection): void {
    this.#counters.add(counter.messagesTooLarge, 1);
    connection.close(closeCode.messageTooBig, '');
  }
}
