import type { MessagePort } from 'node:worker_threads';
import { AskPort, type Replies } from '../../shared/bus/ask-port.ts';
import { doorbell, type FromShard } from '../../shared/bus/ipc.ts';
import { type MainQuestions, type ShardQuestions, shardQuestionRules } from '../../shared/bus/questions.ts';
import { EngineError } from '../../shared/errors/index.ts';

/** A shard's way to main. */
export class MainPort {
  readonly asks: AskPort<ShardQuestions, MainQuestions>;
  readonly #port: MessagePort;
  #isMuted = false;

  constructor(port: MessagePort, replies: Replies<MainQuestions>) {
    this.#port = port;
    this.asks = new AskPort({
      other: 'main',
      lateCode: 'ERR_OVERLOADED',
      rules: shardQuestionRules,
      replies,
      post: (message) => this.post(message),
    });
  }

  post(message: FromShard): void {
    if (!this.#isMuted) this.#port.postMessage(message);
  }

  ring(): void {
    this.#port.postMessage(doorbell);
  }

  /** Nothing is told or asked from here on; what the shard publishes as it ends still rings. */
  mute(): void {
    this.#isMuted = true;
    this.asks.end(new EngineError('ERR_SHUTTING_DOWN', 'this shard has ended'));
  }

  close(): void {
    this.#port.close();
  }
}
