import { setMaxListeners } from 'node:events';
import { EngineError, errorText } from '../../shared/errors/index.ts';
import { errorKind } from './error-kind.ts';
import { Peer } from './peer.ts';
import { type BenchPlan, bounds, connectingMs } from './plan.ts';
import type { ProgressBoard } from './progress-board.ts';
import type { Tally } from './tally.ts';
import { now } from './time.ts';

/** Where a thread records events. */
export interface Recorders {
  readonly tally: Tally;
  readonly progress: ProgressBoard;
}

export function countError({ tally, progress }: Recorders, kind: string, text: string, count = 1): void {
  tally.errors.add(kind, text, count);
  progress.add('errors', count);
}

/** What a mode does with an open connection. */
export interface PeerUse {
  message(message: Uint8Array, bytes: number): void;
  /** The peer or the network ended the connection. */
  ended(): void;
}

/** The connections of one thread. They are opened a few at a time, read from the start, and closed together. */
export class ConnectionGroup {
  readonly #plan: BenchPlan;
  readonly #recorders: Recorders;
  readonly #isText: boolean;
  readonly #peers = new Set<Peer>();
  /** Messages that come from now on are ignored. */
  #isFinished = false;

  constructor(plan: BenchPlan, isText: boolean, recorders: Recorders) {
    this.#plan = plan;
    this.#isText = isText;
    this.#recorders = recorders;
  }

  /**
   * Opens one connection for each of `items`, and calls `use` for each that opened. Resolves when all are open or have
   * failed, within a time that the plan bounds.
   */
  async open<T>(items: readonly T[], stop: AbortSignal, use: (peer: Peer, item: T) => PeerUse): Promise<void> {
    const timeout = new AbortController();
    const allowedMs = connectingMs(this.#plan);
    const late = new EngineError('ERR_DIAL_TIMEOUT', `the connections were not open within ${allowedMs} ms`);
    const timer = setTimeout(() => timeout.abort(late), allowedMs);
    const signal = AbortSignal.any([stop, timeout.signal]);
    // One listener for each handshake that is going on.
    setMaxListeners(0, signal);
    const waiting = items.values();
    const dialOneByOne = async (): Promise<void> => {
      for (const item of waiting) {
        if (stop.aborted) return;
        await this.#openOne(signal, stop, (peer) => use(peer, item));
      }
    };
    await Promise.all(Array.from({ length: bounds.dials }, dialOneByOne));
    clearTimeout(timer);
  }

  async #openOne(signal: AbortSignal, stop: AbortSignal, use: (peer: Peer) => PeerUse): Promise<void> {
    const { tally, progress } = this.#recorders;
    const since = now();
    try {
      const peer = await Peer.open(this.#plan, this.#isText, signal);
      tally.handshake(now() - since);
      tally.counts.opened += 1;
      progress.add('open', 1);
      this.#peers.add(peer);
      void this.#read(peer, use(peer));
    } catch (error) {
      if (!stop.aborted) countError(this.#recorders, errorKind(error), errorText(error));
    }
  }

  async #read(peer: Peer, use: PeerUse): Promise<void> {
    const onMessage = (message: Uint8Array, bytes: number): void => {
      if (!this.#isFinished) use.message(message, bytes);
    };
    const onFault = (error: unknown): void => {
      if (!this.#isFinished) countError(this.#recorders, errorKind(error), errorText(error));
    };
    let kind: string;
    let text: string;
    try {
      const code = await peer.read(onMessage, onFault);
      kind = `closed ${code}`;
      text = `the server closed a connection with ${code}`;
    } catch (error) {
      kind = errorKind(error);
      text = errorText(error);
    }
    this.#peers.delete(peer);
    this.#recorders.progress.add('open', -1);
    if (this.#isFinished) return;
    this.#recorders.tally.counts.lost += 1;
    countError(this.#recorders, kind, text);
    use.ended();
  }

  /** Nothing counts from now on. Resolves when all connections are closed. */
  async finish(): Promise<void> {
    this.#isFinished = true;
    await Promise.all([...this.#peers].map((peer) => peer.close()));
  }
}
