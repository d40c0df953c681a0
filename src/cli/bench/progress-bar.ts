import { SingleBar } from 'cli-progress';
import type { Phase, RunNews } from './run.ts';

const steps = 1_000;

/** A bar on stderr while a run goes on, for people at a terminal. */
export class ProgressBar {
  readonly #bar: SingleBar = new SingleBar({
    format: '{phase} {bar} {percentage}% | {received} received, {open} open, {errors} errors',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    // Signals are ours.
    gracefulExit: false,
  });
  #phase: Phase | null = null;

  constructor() {
    // A second signal ends the process in the middle: the terminal gets its cursor and its line breaks back.
    process.once('exit', () => this.end());
  }

  show({ phase, share, received, open, errors }: RunNews): void {
    const shown = { phase: phase.padEnd(11), received, open, errors };
    if (this.#phase === null) this.#bar.start(steps, 0, shown);
    this.#phase = phase;
    this.#bar.update(Math.round(share * steps), shown);
  }

  end(): void {
    if (this.#phase !== null) this.#bar.stop();
    this.#phase = null;
  }
}
