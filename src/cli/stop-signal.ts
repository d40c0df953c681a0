const signals = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Resolves on the first SIGINT or SIGTERM. A second one ends the process at once, with 128 plus the signal's number: the
 * good end takes too long for whoever sent it.
 */
export function stopSignal(): Promise<keyof typeof signals> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (signal !== 'SIGINT' && signal !== 'SIGTERM') return;
      if (asked) process.exit(signals[signal]);
      asked = true;
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
