import type { Duplex } from 'node:stream';
import { FrameConnection, type FrameConnectionOptions } from '#dist/frame/index.js';
import {
  closeOf,
  closePayload,
  type FrameToSend,
  frameBytes,
  opcode,
  type RawFrame,
  takeFrame,
} from '../support/raw-frames.ts';
import { Signal } from '../support/waiting.ts';
import { duplexPair, type PipeEnd } from './duplex-pair.ts';

/** The other end of a connection, which sends whatever bytes a test wants and takes frames apart. */
export class RawPeer {
  readonly duplex: Duplex;
  readonly #masks: boolean;
  readonly #signal = new Signal();
  readonly frames: RawFrame[] = [];
  #next = 0;
  #unread: Buffer = Buffer.alloc(0);
  #chunks: Buffer[] = [];
  #came = 0;
  /** It makes no sense to look before so many bytes are there. */
  #wanted = 0;
  isEnded = false;
  /** Ends its own direction when the other has ended, as most programs do. */
  endsToo = true;

  constructor(duplex: Duplex, role: 'server' | 'client') {
    this.duplex = duplex;
    this.#masks = role === 'client';
    duplex.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes);
      this.#came += bytes.length;
      if (this.#came < this.#wanted) return;
      this.#unread = Buffer.concat(this.#chunks);
      for (let taken = takeFrame(this.#unread); taken !== undefined; taken = takeFrame(this.#unread)) {
        this.#unread = taken.rest;
        this.frames.push(taken.frame);
      }
      this.#chunks = [this.#unread];
      this.#came = this.#unread.length;
      this.#wanted = wantedBytes(this.#unread);
      this.#signal.notify();
    });
    const end = (): void => {
      this.isEnded = true;
      this.#signal.notify();
    };
    duplex.on('end', () => {
      end();
      if (this.endsToo) duplex.end();
    });
    duplex.on('close', end);
    duplex.on('error', end);
    duplex.resume();
  }

  send(frame: FrameToSend): void {
    this.duplex.write(this.bytes(frame));
  }

  bytes(frame: FrameToSend): Buffer {
    return frameBytes({ masked: this.#masks, ...frame });
  }

  write(bytes: Uint8Array): void {
    this.duplex.write(bytes);
  }

  text(text: string): void {
    this.send({ opcode: opcode.text, payload: text });
  }

  close(code: number, reason = ''): void {
    this.send({ opcode: opcode.close, payload: closePayload(code, reason) });
  }

  /** The next frame; rejects if the peer ends before. */
  frame(): Promise<RawFrame> {
    return this.#signal.wait(
      () => {
        const frame = this.frames[this.#next];
        if (frame === undefined && this.isEnded) throw new Error('the connection ended before the next frame');
        if (frame !== undefined) this.#next += 1;
        return frame;
      },
      () => 'a frame',
    );
  }

  /** Skips to the Close frame. */
  async closing(): Promise<{ code: number; reason: string }> {
    for (;;) {
      const frame = await this.frame();
      if (frame.opcode === opcode.close) return closeOf(frame);
    }
  }

  async ended(): Promise<void> {
    await this.#signal.wait(
      () => (this.isEnded ? true : undefined),
      () => 'the end',
    );
  }
}

/** A lower bound of the size of the frame that begins here. */
function wantedBytes(bytes: Buffer): number {
  const short = (bytes[1] ?? 0) & 0x7f;
  if (short === 126 && bytes.length >= 4) return bytes.readUInt16BE(2);
  return short === 127 && bytes.length >= 10 ? Number(bytes.readBigUInt64BE(2)) : 0;
}

export interface Linked {
  readonly connection: FrameConnection;
  readonly peer: RawPeer;
  /** The connection's end of the pipe. */
  readonly pipe: PipeEnd;
}

/** A connection in memory, and its peer. */
export function linked(options: Partial<FrameConnectionOptions> = {}, highWaterMark?: number): Linked {
  const [near, far] = duplexPair(highWaterMark);
  const role = options.role ?? 'server';
  const peer = new RawPeer(far, role === 'server' ? 'client' : 'server');
  const connection = new FrameConnection(near, { closeTimeoutMs: 2_000, ...options, role });
  return { connection, peer, pipe: near };
}
