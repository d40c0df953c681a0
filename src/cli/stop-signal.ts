const signals = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof signals;

/** One Ctrl+C can come twice, a moment apart: from the terminal, and once more from the `npm` that started us. */
const echoMs = 200;

/**
 * Resolves on the first SIGINT or SIGTERM. A second one ends the process at once, with 128 plus the signal's number: the
 * good end takes too long for whoever sent it.
 */
export function stopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let first: StopSignal | undefined;
    let firstAt = 0;
    const onSignal = (signal: StopSignal): void => {
      if (first === undefined) {
        first = signal;
        firstAt = performance.now();
        resolve(signal);
        return;
      }
      const isEcho = signal === first && performance.now() - firstAt < echoMs;
      if (!isEcho) process.exit(signals[signal]);
    };
    process.on('SIGINT', () => onSignal('SIGINT'));
    process.on('SIGTERM', () => onSignal('SIGTERM'));
  });
}
