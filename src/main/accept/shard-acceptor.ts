import type { ShardThread } from '../threads/shard-thread.ts';
import { boundReceiveBuffersOf } from './receive-buffer.ts';

/** Main's side of the fallback acceptor: the first shard accepts and hands connections to the Apps that it knows. */
export class ShardAcceptor {
  readonly #host: string;
  #port = 0;
  /** The transports' handles, by shard. */
  readonly #handles: unknown[];
  /** Threads whose App the first shard was told to forget. */
  readonly #forgetting = new Map<ShardThread, Promise<void>>();

  constructor(host: string, handles: readonly unknown[]) {
    this.#host = host;
    this.#handles = [...handles];
  }

  /** Lets the first shard listen. Resolves to the port. */
  async listen(first: ShardThread, port: number): Promise<number> {
    this.#port = await first.listen(this.#host, port, this.#handles);
    boundReceiveBuffersOf(this.#port);
    return this.#port;
  }

  /**
   * A replacement thread was introduced to the others. If it is the first shard's, it listens on the port. Otherwise
   * the first shard is told of it, unless the first shard is itself lost: then it is told when it listens.
   */
  async join(thread: ShardThread, handle: unknown, threads: readonly ShardThread[]): Promise<void> {
    this.#handles[thread.shard] = handle;
    const [first] = threads;
    if (thread === first) {
      const handles = this.#handles.filter((_, shard) => threads[shard]?.isPlaceable);
      await thread.listen(this.#host, this.#port, handles);
      boundReceiveBuffersOf(this.#port);
    } else if (first?.isReady === true && first.isIntroduced) {
      first.post({ kind: 'meet-app', app: handle });
    }
  }

  /** Resolves once the first shard gives the other shard no more connections, or its thread has ended. */
  forget(first: ShardThread, other: ShardThread): Promise<void> {
    const asked = this.#forgetting.get(other) ?? first.forgetApp(this.#handles[other.shard]);
    this.#forgetting.set(other, asked);
    return asked;
  }

  gone(thread: ShardThread): void {
    this.#forgetting.delete(thread);
  }
}
