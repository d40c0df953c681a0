export interface KeepAliveOptions {
  /** Milliseconds between two Pings. */
  readonly intervalMs: number;
  /** Milliseconds after a Ping in which some input must come: a Pong or anything else. */
  readonly pongTimeoutMs: number;
}

export interface KeepAliveMeans {
  /** Grows with every chunk of input. */
  readonly inputs: () => number;
  /** Whether input is held back because nobody reads it. Silence then proves nothing. */
  readonly isHeldBack: () => boolean;
  readonly ping: () => void;
  readonly missed: () => void;
}

/** Pings in a fixed rhythm, and a deadline after each. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #means: KeepAliveMeans;
  readonly #interval: NodeJS.Timeout;
  #deadline: NodeJS.Timeout | null = null;
  #inputs = 0;

  constructor(options: KeepAliveOptions, means: KeepAliveMeans) {
    this.#options = options;
    this.#means = means;
    this.#interval = setInterval(this.#ping, options.intervalMs);
  }

  readonly #ping = (): void => {
    this.#means.ping();
    if (this.#deadline !== null) return;
    this.#inputs = this.#means.inputs();
    this.#deadline = setTimeout(this.#look, this.#options.pongTimeoutMs);
  };

  /**
   * After this thread was blocked, waiting input is read first: the thread's own pause must not count against the peer.
   */
  readonly #look = (): void => {
    setImmediate(this.#judge);
  };

  readonly #judge = (): void => {
    if (this.#deadline === null) return;
    this.#deadline = null;
    if (this.#means.inputs() === this.#inputs && !this.#means.isHeldBack()) this.#means.missed();
  };

  stop(): void {
    clearInterval(this.#interval);
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
  }
}
