import type { Duplex } from 'node:stream';
import { EngineError } from '../shared/errors/index.ts';
import type { Frame, Message, MessageReader, ReadResult } from './message-reader.ts';
import { opcode } from './opcode.ts';

export interface DemandReaderOptions {
  /** Input that nobody reads is held up to about here. */
  readonly readAheadBytes: number;
  /** How long a Close frame waits until the message before it is answered. */
  readonly heldCloseMs: number;
}

export interface DemandReaderEvents {
  /** A control frame has come. */
  control(frame: Frame): void;
  /** The peer broke a rule, or a message could not be inflated. */
  fault(error: unknown): void;
  /** The last message or frame that has come is about to be handed over. */
  emptied(): void;
  /** All input is read and no more will come; `within`: it ends in the middle of a frame or message. */
  exhausted(within: boolean): void;
  /** Nothing is read any more. */
  ended(): void;
}

/** The form of a read's result: the message or frame itself, or the result of an iterator. */
export type ReadForm = 'value' | 'iterator';

interface Waiter {
  readonly wanted: 'message' | 'frame';
  readonly form: ReadForm;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** `ended`: a control frame or a fault has ended reading meanwhile. `held`: a Close frame waits for its turn. */
type Progress = ReadResult | 'ended' | 'held';

/**
 * Reads messages or frames of a connection when a caller asks for them, one at a time. While no caller asks, it holds
 * the stream back: a peer that keeps sending fills `readAheadBytes` and then waits. Control frames that no unread data
 * precedes are handled at any time.
 */
export class DemandReader {
  readonly #stream: Duplex;
  readonly #reader: MessageReader;
  readonly #options: DemandReaderOptions;
  readonly #events: DemandReaderEvents;
  #waiter: Waiter | null = null;
  /** Reading by frames has stopped within a message. */
  #withinFrames = false;
  #inflating = false;
  #paused = false;
  #inputEnded = false;
  #isScheduled = false;
  #discarding = false;
  /** Whether a caller has got a message and not yet asked for the next one. It may still send an answer. */
  #mayAnswer = false;
  /** The peer's Close frame, until the message before it is answered. */
  #heldClose: Frame | null = null;
  #heldCloseTimer: NodeJS.Timeout | null = null;
  /** How reads are answered from now on: as after a Close frame, or with an error. */
  #outcome: { readonly error?: unknown } | null = null;
  /** A Close frame has come, and how reads are answered is about to be known. */
  #stopped = false;
  /** Whether data that no caller waits for is dropped, so that a Close frame behind it is found. */
  discards = false;

  constructor(stream: Duplex, reader: MessageReader, options: DemandReaderOptions, events: DemandReaderEvents) {
    this.#stream = stream;
    this.#reader = reader;
    this.#options = options;
    this.#events = events;
  }

  /** Whether the stream is paused because nobody reads. */
  get isHeldBack(): boolean {
    return this.#paused;
  }

  push(chunk: Buffer, owned: boolean): void {
    if (this.#outcome !== null || this.#stopped) return;
    this.#reader.input.push(chunk, owned);
    if (this.#inflating) this.#holdBack('data');
    else this.work();
  }

  /** The next message or frame; null, or an iterator's end, after a Close frame. */
  read(wanted: 'message' | 'frame', form: ReadForm): Promise<unknown> {
    if (this.#waiter !== null) {
      return Promise.reject(new EngineError('ERR_FRAME_BUSY', 'one read at a time: another read is pending'));
    }
    this.#mayAnswer = false;
    this.handleHeldClose();
    if (this.#outcome === null) {
      if (this.#stopped) return this.#wait(wanted, form, 'ended');
      if (wanted === 'message' && this.#withinFrames) {
        const text = 'the message was begun by frames: read its other frames first';
        return Promise.reject(new EngineError('ERR_FRAME_SEQUENCE', text));
      }
      const progress = this.#advance(this.#discarding ? 'discard' : wanted);
      if (progress === 'message' || progress === 'frame') {
        const result = this.#result(progress, form);
        this.#scheduleWork();
        return Promise.resolve(result);
      }
      if (progress !== 'ended') return this.#wait(wanted, form, progress);
    }
    const { error } = this.#outcome ?? {};
    return error === undefined ? Promise.resolve(endOf(form)) : Promise.reject(error);
  }

  #wait(wanted: 'message' | 'frame', form: ReadForm, progress: Progress): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiter = { wanted, form, resolve, reject };
      if (progress === 'inflating') this.#inflate();
      else this.#checkEnd(progress);
    });
  }

  #result(progress: 'message' | 'frame', form: ReadForm): unknown {
    this.#mayAnswer = true;
    if (this.#reader.input.bufferedBytes === 0) this.#events.emptied();
    const value: Message | Frame = progress === 'message' ? this.#reader.message : this.#reader.frame;
    if (progress === 'frame') this.#withinFrames = this.#reader.hasBegun;
    return form === 'iterator' ? { done: false, value } : value;
  }

  /** Handles the input that has come, as far as a caller waits for it. */
  work(): void {
    if (this.#outcome !== null || this.#stopped || this.#inflating) return;
    if (this.#heldClose !== null) {
      if (!this.discards) return;
      this.handleHeldClose();
      return;
    }
    const waiter = this.#waiter;
    if (waiter === null && this.discards) this.#discarding = true;
    const progress = this.#advance(this.#discarding ? 'discard' : (waiter?.wanted ?? 'control'));
    if (waiter !== null && (progress === 'message' || progress === 'frame')) {
      this.#waiter = null;
      waiter.resolve(this.#result(progress, waiter.form));
      this.#scheduleWork();
    } else if (progress === 'inflating') {
      this.#inflate();
    } else {
      this.#checkEnd(progress);
    }
  }

  /** Handles the control frames behind a message in a later turn, after the code that got the message has run. */
  #scheduleWork(): void {
    if (this.#isScheduled || (this.#reader.input.bufferedBytes === 0 && !this.#inputEnded)) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.work();
    });
  }

  #advance(wanted: 'message' | 'frame' | 'control' | 'discard'): Progress {
    const reader = this.#reader;
    try {
      for (;;) {
        const progress = reader.next(wanted);
        if (progress === 'control') {
          if (this.#mayAnswer && reader.frame.opcode === opcode.close && !this.discards) {
            this.#holdClose(reader.frame);
            return 'held';
          }
          this.#events.control(reader.frame);
          if (this.#outcome !== null) return 'ended';
          continue;
        }
        this.#holdBack(progress);
        return progress;
      }
    } catch (error) {
      this.#events.fault(error);
      return 'ended';
    }
  }

  /**
   * Holds the peer's Close frame for a limited time. Nothing can be written after it, and the message before it may
   * still be answered.
   */
  #holdClose(frame: Frame): void {
    this.#heldClose = frame;
    this.#heldCloseTimer = setTimeout(() => this.handleHeldClose(), this.#options.heldCloseMs);
    if (this.#paused) return;
    this.#paused = true;
    this.#stream.pause();
  }

  /** Handles a Close frame that waits, if one does. */
  handleHeldClose(): void {
    const frame = this.#heldClose;
    if (frame === null) return;
    this.#dropHeldClose();
    try {
      this.#events.control(frame);
    } catch (error) {
      this.#events.fault(error);
    }
  }

  #dropHeldClose(): void {
    this.#heldClose = null;
    if (this.#heldCloseTimer !== null) clearTimeout(this.#heldCloseTimer);
    this.#heldCloseTimer = null;
  }

  #holdBack(progress: ReadResult): void {
    if (progress === 'more') {
      if (this.#paused) {
        this.#paused = false;
        this.#stream.resume();
      }
    } else if (
      !this.#paused &&
      progress === 'data' &&
      this.#reader.input.bufferedBytes >= this.#options.readAheadBytes
    ) {
      this.#paused = true;
      this.#stream.pause();
    }
  }

  #inflate(): void {
    const { inflating } = this.#reader;
    if (inflating === null) return;
    this.#inflating = true;
    inflating.then(
      (message) => {
        this.#inflating = false;
        const waiter = this.#waiter;
        if (waiter === null || this.#outcome !== null) return;
        this.#waiter = null;
        this.#mayAnswer = true;
        if (this.#reader.input.bufferedBytes === 0) this.#events.emptied();
        waiter.resolve(waiter.form === 'iterator' ? { done: false, value: message } : message);
        this.#scheduleWork();
      },
      (error: unknown) => {
        this.#inflating = false;
        if (this.#outcome === null) this.#events.fault(error);
      },
    );
  }

  /** No more input comes. What has come can still be read. */
  endInput(): void {
    this.#inputEnded = true;
    this.work();
  }

  /** Reports the end of the stream once all input is used. Data that waits can still be read. */
  #checkEnd(progress: Progress): void {
    if (!this.#inputEnded || this.#outcome !== null || progress !== 'more') return;
    this.#events.exhausted(this.#reader.isWithin);
  }

  /** Nothing that comes from now on is looked at; `end` follows. A handler may call for reads in between. */
  stop(): void {
    this.#stopped = true;
  }

  /** Reads are answered with the end, or with `error`, and what has come is forgotten. */
  end(error?: unknown): void {
    if (this.#outcome !== null) return;
    this.#outcome = error === undefined ? {} : { error };
    this.#events.ended();
    this.#reader.clear();
    this.#dropHeldClose();
    // What comes from now on is thrown away, so that the stream can come to its end.
    this.#paused = false;
    this.#stream.resume();
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter === null) return;
    if (error === undefined) waiter.resolve(endOf(waiter.form));
    else waiter.reject(error);
  }
}

function endOf(form: ReadForm): unknown {
  return form === 'iterator' ? { done: true, value: undefined } : null;
}
