import { EngineError } from '../shared/errors/index.ts';
import type { Compressor } from './compressor.ts';
import { messageTooLong } from './frame-error.ts';
import { FrameReader } from './frame-reader.ts';
import { isControl, type MessageOpcode, opcode, reservedBit } from './opcode.ts';
import { PieceList } from './piece-list.ts';
import { isUtf8Text, Utf8Validator } from './utf8.ts';

export interface Message {
  readonly opcode: MessageOpcode;
  /** Yours to keep. It may share its memory with other messages of the same chunk of input, never with later ones. */
  readonly payload: Buffer;
}

/** A frame as it came, its payload unmasked, not inflated. */
export interface Frame {
  readonly fin: boolean;
  /** In place: RSV1 is 0x40. */
  readonly rsv: number;
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface MessageReaderOptions {
  readonly role: 'server' | 'client';
  readonly maxFrameBytes: number;
  readonly maxMessageBytes: number;
  /** Reserved bits of extensions other than permessage-deflate, in place. */
  readonly reservedBits: number;
  /** If permessage-deflate was negotiated. */
  readonly compressor: Compressor | null;
}

/** What the caller wants next: whole messages, data frames, only control frames, or to throw data away. */
export type Wanted = 'message' | 'frame' | 'control' | 'discard';

/**
 * `more`: all input is used. `data`: a data frame waits and was not wanted. The other results are in `message`, `frame`
 * or `inflating`.
 */
export type ReadResult = 'more' | 'data' | 'message' | 'frame' | 'control' | 'inflating';

/** For `#gather`: the payload need not be UTF-8. */
const notText = false;
const noMessage: Message = { opcode: opcode.binary, payload: Buffer.alloc(0) };
const noFrame: Frame = { fin: true, rsv: 0, opcode: opcode.binary, payload: noMessage.payload };

/**
 * Makes messages of frames: the sequence of fragments, the limits, UTF-8, inflating. It throws what the peer did wrong,
 * as early as the bytes that have come allow.
 */
export class MessageReader {
  readonly input: FrameReader;
  readonly #options: MessageReaderOptions;
  readonly #payload: PieceList = new PieceList();
  readonly #control: PieceList = new PieceList();
  readonly #utf8: Utf8Validator = new Utf8Validator();
  /** Bound on the wire: data that does not compress takes 9/8 at most, unless it is flushed every few bytes. */
  readonly #maxDeflatedBytes: number;
  /** Opcode of the message whose frames are coming; 0: none is. */
  #opcode = 0;
  #deflated = false;
  /** Bytes of the message in frames before the one at hand. */
  #messageBytes = 0;
  /** A header was read and its frame is not finished. */
  #inFrame = false;

  message: Message = noMessage;
  frame: Frame = noFrame;
  /** A message that a compressor has not finished. The reader must not be asked for more before it is settled. */
  inflating: Promise<Message> | null = null;

  constructor(options: MessageReaderOptions) {
    const bits = options.reservedBits | (options.compressor === null ? 0 : reservedBit.rsv1);
    this.input = new FrameReader(options.role, bits);
    this.#options = options;
    const { maxMessageBytes } = options;
    this.#maxDeflatedBytes = maxMessageBytes + Math.ceil(maxMessageBytes / 8) + 1_024;
  }

  /** Whether input ends in the middle of something. */
  get isWithin(): boolean {
    return this.#inFrame || this.#opcode !== 0 || this.input.bufferedBytes > 0;
  }

  /** Whether the message at hand has begun. */
  get hasBegun(): boolean {
    return this.#opcode !== 0;
  }

  next(wanted: Wanted): ReadResult {
    const { input } = this;
    const { header } = input;
    for (;;) {
      if (!this.#inFrame) {
        if (!input.nextHeader(this.#opcode !== 0)) return 'more';
        this.#inFrame = true;
        if (!isControl(header.opcode)) this.#beginFrame();
      }
      if (isControl(header.opcode)) {
        if (!this.#gather(this.#control, notText)) return 'more';
        this.#inFrame = false;
        this.frame = { fin: true, rsv: header.rsv, opcode: header.opcode, payload: this.#control.take() };
        return 'control';
      }
      if (wanted === 'control') return 'data';
      if (!this.#gather(this.#payload, this.#opcode === opcode.text && !this.#deflated)) return 'more';
      this.#inFrame = false;
      const result = this.#endFrame(wanted);
      if (result !== 'more') return result;
    }
  }

  #beginFrame(): void {
    const { header } = this.input;
    const { maxFrameBytes, maxMessageBytes } = this.#options;
    if (this.#opcode === 0) {
      this.#opcode = header.opcode;
      this.#messageBytes = 0;
      this.#deflated = this.#options.compressor !== null && (header.rsv & reservedBit.rsv1) !== 0;
      this.#utf8.reset();
    }
    if (header.length > maxFrameBytes) {
      const text = `a frame has ${header.length} bytes, more than ${maxFrameBytes}`;
      throw new EngineError('ERR_FRAME_TOO_LONG', text, { given: header.length });
    }
    const limit = this.#deflated ? this.#maxDeflatedBytes : maxMessageBytes;
    if (this.#messageBytes + header.length > limit) throw messageTooLong(maxMessageBytes);
  }

  /** Moves what has come of the frame's payload to `list`. True: it is all there. */
  #gather(list: PieceList, text: boolean): boolean {
    const { input } = this;
    const { header } = input;
    while (input.remaining > 0) {
      if (!input.nextPiece()) return false;
      if (text && !this.#isText(input.piece, header.fin && header.opcode !== opcode.continuation)) throw notUtf8();
      list.add(input.piece, input.pieceOwned);
    }
    return true;
  }

  /** Whether a piece can be the next of a text. The frame of a whole message in one piece needs no automaton. */
  #isText(piece: Buffer, wholeFrame: boolean): boolean {
    if (wholeFrame && piece.length === this.input.header.length) return isUtf8Text(piece);
    return this.#utf8.push(piece) < 0;
  }

  #endFrame(wanted: Wanted): ReadResult {
    const { header } = this.input;
    const code = this.#opcode;
    this.#messageBytes += header.length;
    if (header.fin) {
      this.#opcode = 0;
      if (!this.#utf8.isComplete) throw notUtf8();
    }
    if (wanted === 'discard') {
      this.#payload.clear();
      return 'more';
    }
    if (wanted === 'frame') {
      const { fin, rsv, opcode: own } = header;
      this.frame = { fin, rsv, opcode: own, payload: this.#payload.take() };
      return 'frame';
    }
    if (!header.fin) return 'more';
    const payload = this.#payload.take();
    const kind: MessageOpcode = code === opcode.text ? opcode.text : opcode.binary;
    if (!this.#deflated) {
      this.message = { opcode: kind, payload };
      return 'message';
    }
    return this.#inflate(kind, payload);
  }

  #inflate(kind: MessageOpcode, payload: Buffer): ReadResult {
    const { compressor, maxMessageBytes } = this.#options;
    const inflated = compressor?.decompress(payload, maxMessageBytes) ?? payload;
    if (inflated instanceof Uint8Array) {
      this.message = checked(kind, inflated, maxMessageBytes);
      return 'message';
    }
    this.inflating = inflated.then((bytes) => checked(kind, bytes, maxMessageBytes));
    return 'inflating';
  }

  /** Forgets all input and what is unfinished. */
  clear(): void {
    this.input.clear();
    this.#payload.clear();
    this.#control.clear();
  }
}

function checked(kind: MessageOpcode, bytes: Uint8Array, maxMessageBytes: number): Message {
  // A compressor from outside may not have kept to the limit.
  if (bytes.length > maxMessageBytes) throw messageTooLong(maxMessageBytes);
  if (kind === opcode.text && !isUtf8Text(bytes)) throw notUtf8();
  const payload = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { opcode: kind, payload };
}

function notUtf8(): EngineError {
  return new EngineError('ERR_FRAME_UTF8', 'a text message is not UTF-8');
}
