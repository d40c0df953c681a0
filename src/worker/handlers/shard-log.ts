import type { FromShard, LogFields, LogLevel } from '../../shared/bus/ipc.ts';

const linesPerSecond = 50;
const longestText = 8_192;

function shortened<T>(value: T): T | string {
  return typeof value === 'string' && value.length > longestText ? `${value.slice(0, longestText)}…` : value;
}

/**
 * Sends log lines to main's logger, at most 50 a second and each of bounded length, so that a flood of errors does not
 * become a flood of messages. Debug lines are limited separately, so they never displace others.
 */
export class ShardLog {
  readonly #post: (message: FromShard) => void;
  readonly #shard: number;
  #second = 0;
  #lines = 0;
  #debugLines = 0;
  #suppressed = 0;

  constructor(shard: number, post: (message: FromShard) => void) {
    this.#shard = shard;
    this.#post = post;
  }

  write(level: LogLevel, text: string, fields: LogFields = {}): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      const suppressed = this.#suppressed;
      this.#second = second;
      this.#lines = 0;
      this.#debugLines = 0;
      this.#suppressed = 0;
      if (suppressed > 0) this.write('warn', 'log lines suppressed', { lines: suppressed });
    }
    if ((level === 'debug' ? this.#debugLines : this.#lines) >= linesPerSecond) {
      this.#suppressed += 1;
      return;
    }
    if (level === 'debug') this.#debugLines += 1;
    else this.#lines += 1;
    const cut: Record<string, string | number | boolean | undefined> = { shard: this.#shard };
    for (const [name, value] of Object.entries(fields)) cut[name] = shortened(value);
    this.#post({ kind: 'log', level, text: shortened(text), fields: cut });
  }
}
