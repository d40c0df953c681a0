import { parseCloseBody } from '../../../frame/close-body.ts';
import { compileCloseFrame, preparedFrames } from '../../../frame/compile-frame.ts';
import type { Compressor } from '../../../frame/compressor.ts';
import { closeCodeFor } from '../../../frame/frame-error.ts';
import { opcode, reservedBit } from '../../../frame/opcode.ts';
import { EngineError } from '../../../shared/errors/index.ts';
import type { GuardedEvents } from '../guarded-events.ts';
import type { CloseCause, SendVerdict, Socket } from '../transport.ts';
import { FrameInput, type FrameSink } from './frame-input.ts';
import { Outbox, type OutboxHost } from './outbox.ts';
import { ownFrame, Slab } from './slab.ts';
import type { TcpStream } from './tcp-stream.ts';
import type { Topics } from './topics.ts';

const fin = 0x80;
const textFirst = fin | opcode.text;
const binaryFirst = fin | opcode.binary;
const pongFirst = fin | opcode.pong;

/** What a connection with permessage-deflate was given. */
export interface Deflating {
  readonly compressor: Compressor;
  /** Whether this side compresses: a peer may ask for a window that zlib does not have. */
  readonly compresses: boolean;
  /**
   * The window's bits, where no context is kept: sockets with equal windows share compressed frames. -1: a context is
   * kept.
   */
  readonly sharedWindowBits: number;
}

/** What all WebSockets of a transport share. */
export interface NodeSocketHost<A> extends OutboxHost {
  readonly guarded: GuardedEvents<A>;
  readonly topics: Topics<NodeSocket<A>>;
  readonly hardMessageBytes: number;
  readonly maxBackpressureBytes: number;
  /** A WebSocket has ended and waits for its peer to end its side. */
  ending(socket: NodeSocket<A>): void;
}

/** One WebSocket (RFC 6455) over a stream. */
export class NodeSocket<A> implements Socket, FrameSink {
  readonly attachment: A;
  readonly tcp: TcpStream;
  readonly #host: NodeSocketHost<A>;
  readonly #outbox: Outbox;
  readonly #input: FrameInput;
  readonly #deflating: Deflating | null;
  /** Topics that it is in; null: none yet. */
  #topics: Set<string> | null = null;
  #isEnded = false;
  /** Since a send was not taken at once. */
  #wantsDrain = false;
  #dropped = 0;

  constructor(attachment: A, tcp: TcpStream, descriptor: number, host: NodeSocketHost<A>, deflating: Deflating | null) {
    this.attachment = attachment;
    this.tcp = tcp;
    this.#host = host;
    this.#deflating = deflating;
    this.#outbox = new Outbox(tcp.stream, descriptor, host, () => this.#drained());
    this.#input = new FrameInput(this, host.hardMessageBytes, deflating !== null);
  }

  // What the transport calls.

  /** The handshake is answered: from here on it is a WebSocket. */
  begin(answer: string): void {
    this.#outbox.add(Buffer.from(answer, 'latin1'));
    this.#host.guarded.guard(() => this.#host.guarded.to.open(this.attachment, this));
    this.#outbox.flush();
  }

  read(bytes: Buffer, start: number, end: number): void {
    if (this.#isEnded) return;
    this.#input.read(bytes, start, end);
    // Answers are written at the end of the read that caused them.
    this.#outbox.flush();
  }

  /** The peer has ended its side, or the stream is gone. */
  lost(): void {
    if (!this.#isEnded) this.#finish(1006, '', 'lost');
    this.tcp.destroy();
  }

  /** Its transport is closed: it ends without a word. */
  silence(): void {
    this.#isEnded = true;
    this.#outbox.isClosed = true;
    this.#deflating?.compressor.close();
  }

  /**
   * Whether one more message may be sent. False: the peer does not read and the bound is reached, so a drop was
   * counted.
   */
  mayTake(): boolean {
    if (!this.#outbox.isBlocked || !this.#isFull()) return true;
    this.#drop();
    return false;
  }

  /** A frame that was made for many. */
  sendPrepared(start: number, end: number, own: Buffer | null): void {
    if (!this.mayTake()) return;
    if (own === null) this.#outbox.addOfSlab(start, end);
    else this.#outbox.add(own);
    if (this.#outbox.isBlocked) this.#wantsDrain = true;
  }

  /**
   * Window bits that a shared compressed frame must fit. -1: it needs compressed frames of its own; null: not
   * compressed.
   */
  get compressedFor(): number | null {
    return this.#deflating?.compresses === true ? this.#deflating.sharedWindowBits : null;
  }

  deflate(payload: Uint8Array): Uint8Array {
    const bytes = this.#deflating?.compressor.compress(payload, true);
    if (bytes instanceof Uint8Array) return bytes;
    throw new EngineError('ERR_INTERNAL', 'deflating did not answer at once');
  }

  // What its owner calls.

  get bufferedBytes(): number {
    return this.#isEnded ? 0 : this.#outbox.bufferedBytes;
  }

  send(payload: Uint8Array, binary: boolean, compress: boolean): SendVerdict {
    if (this.#isEnded) return 'closed';
    if (!this.mayTake()) return 'dropped';
    const first = binary ? binaryFirst : textFirst;
    if (compress && this.#deflating?.compresses === true) this.#write(first | reservedBit.rsv1, this.deflate(payload));
    else this.#write(first, payload);
    if (!this.#outbox.isBlocked) return 'sent';
    this.#wantsDrain = true;
    return 'buffered';
  }

  subscribe(topic: string): void {
    if (this.#isEnded) return;
    this.#topics ??= new Set();
    if (this.#topics.has(topic)) return;
    this.#topics.add(topic);
    this.#host.topics.add(topic, this);
  }

  unsubscribe(topic: string): void {
    if (this.#topics?.delete(topic) === true) this.#host.topics.delete(topic, this);
  }

  ping(): void {
    if (!this.#isEnded && this.#outbox.bufferedBytes === 0) this.#outbox.add(preparedFrames.ping as Buffer);
  }

  end(code: number, reason: string): void {
    if (this.#isEnded) return;
    this.#sendClose(compileCloseFrame(code, reason));
    this.#finish(code, reason, 'closed');
  }

  terminate(): void {
    if (this.#isEnded) return;
    this.#finish(1006, '', 'lost');
    this.tcp.destroy();
  }

  pause(): void {
    if (!this.#isEnded) this.tcp.pause();
  }

  resume(): void {
    if (!this.#isEnded) this.tcp.resume();
  }

  // What its frames say.

  get isOver(): boolean {
    return this.#isEnded;
  }

  received(payload: Uint8Array, binary: boolean): void {
    const { to } = this.#host.guarded;
    try {
      to.message(this.attachment, payload, binary);
    } catch (error) {
      to.error(error);
    }
  }

  pinged(payload: Uint8Array): void {
    const isDropped = this.#outbox.isBlocked && this.#isFull();
    if (!isDropped) this.#write(pongFirst, payload);
    this.#alive(isDropped);
  }

  ponged(): void {
    this.#alive(false);
  }

  closed(payload: Uint8Array): void {
    const said = parseCloseBody(payload);
    if (said instanceof EngineError) {
      this.violated(said);
      return;
    }
    // Echoed as it came (RFC 6455 section 5.5.1).
    this.#sendClose(said.code === 1005 ? compileCloseFrame() : compileCloseFrame(said.code));
    this.#finish(said.code, said.reason, 'closed');
  }

  inflate(payload: Uint8Array): Uint8Array {
    const bytes = this.#deflating?.compressor.decompress(payload, this.#host.hardMessageBytes);
    if (bytes instanceof Uint8Array) return bytes;
    throw new EngineError('ERR_INTERNAL', 'inflating did not answer at once');
  }

  violated(error: EngineError): void {
    const code = closeCodeFor(error);
    this.#sendClose(compileCloseFrame(code));
    this.#finish(1006, '', code === 1009 ? 'tooBig' : 'protocolError');
  }

  #alive(unanswered: boolean): void {
    const { to } = this.#host.guarded;
    try {
      to.alive(this.attachment, unanswered);
    } catch (error) {
      to.error(error);
    }
  }

  #isFull(): boolean {
    return this.#outbox.bufferedBytes > this.#host.maxBackpressureBytes;
  }

  #write(first: number, payload: Uint8Array): void {
    const { slab } = this.#host;
    if (payload.length > Slab.mostBytes || !slab.hasRoomFor(payload.length)) {
      this.#outbox.add(ownFrame(first, payload));
      return;
    }
    const start = slab.frame(first, payload);
    this.#outbox.addOfSlab(start, slab.end);
  }

  #drop(): void {
    this.#wantsDrain = true;
    this.#dropped += 1;
    if (this.#dropped > 1) return;
    // Not at once: the sender is in the middle of a loop over a topic.
    setImmediate(() => {
      const messages = this.#dropped;
      this.#dropped = 0;
      if (this.#host.guarded.closed) return;
      this.#host.guarded.guard(() => this.#host.guarded.to.dropped(this.attachment, messages, 0));
    });
  }

  #drained(): void {
    if (this.#isEnded || !this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#host.guarded.guard(() => this.#host.guarded.to.drain(this.attachment));
  }

  #sendClose(frame: Uint8Array<ArrayBuffer>): void {
    this.#outbox.add(Buffer.from(frame.buffer, frame.byteOffset, frame.length));
    this.#outbox.end();
  }

  #finish(code: number, reason: string, cause: CloseCause): void {
    this.#isEnded = true;
    this.#outbox.isClosed = true;
    for (const topic of this.#topics ?? []) this.#host.topics.delete(topic, this);
    this.#topics = null;
    this.#deflating?.compressor.close();
    // That the peer ends its side must be heard.
    this.tcp.resume();
    this.#host.ending(this);
    this.#host.guarded.guard(() => this.#host.guarded.to.close(this.attachment, code, reason, cause));
  }
}
