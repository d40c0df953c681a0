import type { WebSocket, WebSocketBehavior } from 'uWebSockets.js';
import type { GuardedEvents } from '../guarded-events.ts';
import type { CloseCause, TransportOptions } from '../transport.ts';
import type { PublishBatch } from './publish-batch.ts';
import type { SocketLedger } from './socket-ledger.ts';
import type { UwsReading } from './uws-reading.ts';
import { UwsSocket } from './uws-socket.ts';

/** The data that the library keeps for us with each WebSocket. */
export interface UserData<A> {
  readonly attachment: A;
  /** The address at the other end of the socket, in its canonical spelling. */
  readonly peer: string;
  socket: UwsSocket<UserData<A>> | null;
  /** Dropped messages not reported yet; and how many of them `send` has reported to its caller. */
  dropped: number;
  sendsDropped: number;
  /** Whether they will be reported. */
  reportsDrops: boolean;
}

/**
 * The library's object for a WebSocket is the same in every callback, and `getUserData` returns that object itself. So
 * its fields can be read without the call, which saves 1 % of an echo.
 */
type Native<A> = WebSocket<UserData<A>> & UserData<A>;

const textDecoder = new TextDecoder();
/** For `#alive`, of a pong. */
const needsNoPong = false;

/**
 * The library reports its own reasons for cutting a connection as the text of a close with code 1006. It uses the same
 * text for a compressed message that is too big and for one that cannot be inflated.
 */
function closeCause(code: number, reason: string): CloseCause {
  if (code !== 1006) return 'closed';
  if (reason.includes('too big')) return 'tooBig';
  return reason === '' || reason.includes('TCP FIN') || reason.includes('timed out') ? 'lost' : 'protocolError';
}

/** WebSockets from their opening to their end, as the library reports it. */
export class UwsWebSockets<A> {
  readonly #options: TransportOptions;
  readonly #events: GuardedEvents<A>;
  readonly #batch: PublishBatch;
  readonly #ledger: SocketLedger<A>;
  /** The last callback reported a dropped message: of this socket, with this length. */
  #lastDropped: UserData<A> | null = null;
  #lastDroppedBytes = 0;

  constructor(options: TransportOptions, events: GuardedEvents<A>, batch: PublishBatch, ledger: SocketLedger<A>) {
    this.#options = options;
    this.#events = events;
    this.#batch = batch;
    this.#ledger = ledger;
  }

  /** The handlers for a route of an App. `left` is called at the end of each WebSocket. */
  behavior(left: () => void, reading: UwsReading): WebSocketBehavior<UserData<A>> {
    const options = this.#options;
    const events = this.#events;
    const { to } = events;
    return {
      maxPayloadLength: options.hardMessageBytes,
      maxBackpressure: options.maxBackpressureBytes,
      idleTimeout: options.idleTimeoutSeconds,
      sendPingsAutomatically: false,
      closeOnBackpressureLimit: false,
      open: (native) => {
        const data = native.getUserData();
        const socket = new UwsSocket(native, this.#batch, reading);
        data.socket = socket;
        this.#ledger.opened(data.peer);
        events.guard(() => to.open(data.attachment, socket));
      },
      message: (native, payload, binary) => {
        try {
          to.message((native as Native<A>).attachment, new Uint8Array(payload), binary);
        } catch (error) {
          to.error(error);
        }
      },
      ping: (native, payload) => {
        const data = native.getUserData();
        this.#alive(data, this.#wasPong(data, payload.byteLength));
      },
      pong: (native) => this.#alive(native.getUserData(), needsNoPong),
      drain: (native) => {
        this.#lastDropped = null;
        events.guard(() => to.drain(native.getUserData().attachment));
      },
      dropped: (native, payload) => {
        this.#lastDropped = native.getUserData();
        this.#lastDroppedBytes = payload.byteLength;
        this.#dropped(this.#lastDropped);
      },
      close: (native, code, message) => {
        const data = native.getUserData();
        data.socket?.detach();
        left();
        if (events.closed) return;
        const reason = textDecoder.decode(message);
        const cause = closeCause(code, reason);
        events.guard(() => to.close(data.attachment, code, cause === 'closed' ? reason : '', cause));
        this.#ledger.ended(data.peer, data.attachment);
      },
    };
  }

  /**
   * The library is iterating over a topic's subscribers here, and crashes if one of them is closed now. So the report
   * comes after it is done.
   */
  #dropped(data: UserData<A>): void {
    data.dropped += 1;
    if (data.reportsDrops) return;
    data.reportsDrops = true;
    setImmediate(() => {
      data.reportsDrops = false;
      const messages = data.dropped;
      const batches = messages - data.sendsDropped;
      data.dropped = 0;
      data.sendsDropped = 0;
      this.#lastDropped = null;
      // The dropped message may have been a pong.
      if (messages === 0 || this.#events.closed) return;
      this.#events.guard(() => this.#events.to.dropped(data.attachment, messages, batches));
    });
  }

  /**
   * The library answers a ping before it reports the ping. If it has just dropped a message of the same length, that
   * was the pong.
   */
  #wasPong(data: UserData<A>, bytes: number): boolean {
    const was = this.#lastDropped === data && this.#lastDroppedBytes === bytes;
    this.#lastDropped = null;
    if (was) data.dropped -= 1;
    return was;
  }

  #alive(data: UserData<A>, unanswered: boolean): void {
    try {
      this.#events.to.alive(data.attachment, unanswered);
    } catch (error) {
      this.#events.to.error(error);
    }
  }
}
