const signals = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof signals;

/** One Ctrl+C may arrive twice, a moment apart: from the terminal and from the `npm` that started this process. */
const echoMs = 200;

/**
 * Resolves on the first SIGINT or SIGTERM. A second one ends the process at once, with status 128 plus the signal's
 * number.
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
