/**
 * What is garbage is no connection's memory. Where the process was started with `--expose-gc`, as the driver does to
 * measure memory, the thread that calls this collects its own from now on. Else nothing happens.
 */
export function collectGarbage(): void {
  const { gc } = globalThis;
  if (gc !== undefined) setInterval(() => gc(), 200).unref();
}
