/**
 * Tells whoever started this process where it listens, and ends when that process says so or goes away: on SIGTERM, and
 * when its standard input ends.
 */
export function announce(port: number, close: () => void | Promise<void>): void {
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void Promise.resolve(close()).then(() => process.exit(0));
  };
  process.once('SIGTERM', end);
  process.stdin.once('end', end);
  process.stdin.resume();
  process.stdout.write(`${JSON.stringify({ port, pid: process.pid })}\n`);
}
