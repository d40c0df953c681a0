import { faultOf } from '../../../frame/check-header.ts';
import { messageTooLong } from '../../../frame/frame-error.ts';
import { emptyHeader, maxHeaderBytes, parseHeader } from '../../../frame/header.ts';
import { maskRange, wordsOf } from '../../../frame/mask.ts';
import { isControl, opcode, reservedBit } from '../../../frame/opcode.ts';
import { isUtf8Text, Utf8Validator } from '../../../frame/utf8.ts';
import { EngineError } from '../../../shared/errors/index.ts';

/** Receives what the frames of a client contain. */
export interface FrameSink {
  /** Nothing more is wanted: what follows is not read. */
  readonly isOver: boolean;
  /** `payload` is valid during the call. Throws what `FrameInput` hands to `violated`. */
  received(payload: Uint8Array, binary: boolean): void;
  pinged(payload: Uint8Array): void;
  ponged(): void;
  closed(payload: Uint8Array): void;
  /** Inflates a message of a connection with permessage-deflate. Throws ERR_FRAME_DEFLATE, ERR_FRAME_MESSAGE_TOO_LONG. */
  inflate(payload: Uint8Array): Uint8Array;
  /** The client broke the protocol or a bound; called once, and nothing after it. */
  violated(error: EngineError): void;
}

/** A data message that did not come in one piece. */
interface Message {
  readonly binary: boolean;
  readonly compressed: boolean;
  /** Of text that is not compressed: it is checked as it arrives. Null: nothing to check. */
  readonly text: Utf8Validator | null;
  bytes: Buffer;
  length: number;
}

/** The first buffer of such a message. A header alone costs no more, whatever length it announces. */
const firstBytes = 16_384;
const noBytes: Buffer = Buffer.alloc(0);

/** Filled for one frame at a time, by whichever connection is being read. */
const header = emptyHeader();

/**
 * Reads the frames of one client where they lie (RFC 6455 section 5). A message that is all there is handed on as a view
 * of the bytes that were read, unmasked in place; only what comes in pieces is copied.
 */
export class FrameInput {
  readonly #sink: FrameSink;
  readonly #mostBytes: number;
  /** RSV1 if permessage-deflate was agreed on, else 0. */
  readonly #reservedBits: number;
  /** A header that is cut by the end of a read. */
  #head: Buffer = noBytes;
  #headBytes = 0;
  /** The frame whose payload is being read. */
  #opcode: number = opcode.continuation;
  #fin = false;
  #maskKey = 0;
  #offset = 0;
  #left = 0;
  /** The message that is not complete; null: none. */
  #message: Message | null = null;
  /** The payload of a control frame that is not complete. */
  #control: Buffer = noBytes;

  constructor(sink: FrameSink, mostBytes: number, compresses: boolean) {
    this.#sink = sink;
    this.#mostBytes = mostBytes;
    this.#reservedBits = compresses ? reservedBit.rsv1 : 0;
  }

  /** Reads `bytes[start … end]`, which it may change. */
  read(bytes: Uint8Array, start: number, end: number): void {
    try {
      const words = wordsOf(bytes);
      let at = start;
      while (at < end && !this.#sink.isOver) {
        at = this.#left > 0 ? this.#readRest(bytes, words, at, end) : this.#readFrame(bytes, words, at, end);
      }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (!this.#sink.isOver) this.#sink.violated(error);
    }
  }

  /** A frame from its beginning. Returns where it stopped. */
  #readFrame(bytes: Uint8Array, words: Int32Array, start: number, end: number): number {
    const at = this.#readHeader(bytes, start, end);
    if (at < 0) return end;
    const fault = faultOf(header, 'server', this.#reservedBits, this.#message !== null);
    if (fault !== null) throw fault;
    const { length, maskKey } = header;
    const code = header.opcode;
    const isWhole = end - at >= length;
    if (isControl(code)) {
      if (!isWhole) return this.#begin(at);
      maskRange(bytes, words, at, at + length, maskKey, 0);
      this.#tellControl(code, bytes.subarray(at, at + length));
      return at + length;
    }
    if ((this.#message?.length ?? 0) + length > this.#mostBytes) throw messageTooLong(this.#mostBytes);
    if (isWhole && header.fin && this.#message === null) {
      maskRange(bytes, words, at, at + length, maskKey, 0);
      const isCompressed = header.rsv !== 0;
      this.#tell(bytes.subarray(at, at + length), code === opcode.binary, isCompressed, false);
      return at + length;
    }
    this.#message ??= {
      binary: code === opcode.binary,
      compressed: header.rsv !== 0,
      text: code === opcode.text && header.rsv === 0 ? new Utf8Validator() : null,
      bytes: noBytes,
      length: 0,
    };
    this.#begin(at);
    if (length === 0) this.#endFrame();
    return at;
  }

  /** The header at `start`, of which a part may have come before, or -1: it is not all there. Returns where it ends. */
  #readHeader(bytes: Uint8Array, start: number, end: number): number {
    if (this.#headBytes === 0) {
      const size = parseHeader(bytes, start, end, header);
      if (size > 0) return start + size;
    }
    if (this.#head.length === 0) this.#head = Buffer.allocUnsafeSlow(maxHeaderBytes);
    const before = this.#headBytes;
    const more = Math.min(end - start, maxHeaderBytes - before);
    this.#head.set(bytes.subarray(start, start + more), before);
    const size = parseHeader(this.#head, 0, before + more, header);
    if (size === 0) {
      this.#headBytes = before + more;
      return -1;
    }
    this.#headBytes = 0;
    return start + size - before;
  }

  #begin(at: number): number {
    this.#opcode = header.opcode;
    this.#fin = header.fin;
    this.#maskKey = header.maskKey;
    this.#offset = 0;
    this.#left = header.length;
    if (isControl(header.opcode)) this.#control = Buffer.allocUnsafeSlow(header.length);
    return at;
  }

  /** Reads further payload of the current frame. Returns where it stopped. */
  #readRest(bytes: Uint8Array, words: Int32Array, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    maskRange(bytes, words, at, stop, this.#maskKey, this.#offset);
    const piece = bytes.subarray(at, stop);
    if (isControl(this.#opcode)) this.#control.set(piece, this.#offset);
    else this.#append(piece);
    this.#offset += piece.length;
    this.#left -= piece.length;
    if (this.#left === 0) this.#endFrame();
    return stop;
  }

  #append(piece: Uint8Array): void {
    const message = this.#message as Message;
    if (message.text !== null && message.text.push(piece) >= 0) throw notText();
    const needed = message.length + piece.length;
    if (needed > message.bytes.length) {
      // Memory follows the bytes that have come: at most twice those, and at most what is known to come.
      const known = message.length + this.#left;
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(known, Math.max(firstBytes, 2 * needed))));
      larger.set(message.bytes.subarray(0, message.length));
      message.bytes = larger;
    }
    message.bytes.set(piece, message.length);
    message.length = needed;
  }

  #endFrame(): void {
    if (isControl(this.#opcode)) {
      const payload = this.#control;
      this.#control = noBytes;
      this.#tellControl(this.#opcode, payload);
      return;
    }
    if (!this.#fin) return;
    const message = this.#message as Message;
    this.#message = null;
    if (message.text !== null && !message.text.isComplete) throw notText();
    const payload = message.bytes.subarray(0, message.length);
    this.#tell(payload, message.binary, message.compressed, message.text !== null);
  }

  #tell(payload: Uint8Array, binary: boolean, compressed: boolean, isChecked: boolean): void {
    const whole = compressed ? this.#sink.inflate(payload) : payload;
    if (!binary && !isChecked && !isUtf8Text(whole)) throw notText();
    this.#sink.received(whole, binary);
  }

  #tellControl(code: number, payload: Uint8Array): void {
    if (code === opcode.ping) this.#sink.pinged(payload);
    else if (code === opcode.pong) this.#sink.ponged();
    else this.#sink.closed(payload);
  }
}

function notText(): EngineError {
  return new EngineError('ERR_FRAME_UTF8', 'a text message is not UTF-8');
}
