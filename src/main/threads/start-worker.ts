import { Worker, type WorkerOptions } from 'node:worker_threads';

/** This option says how a program that is no file is read. It is given as an argument or in the environment. */
const inputType = /(?:^|\s)--(?:experimental-default|input)-type\b/;

/**
 * Starts a thread with a module of this package and with the process's own arguments, because preloads, conditions and
 * source maps are meant for handler modules too. `--input-type` is the exception: a thread whose entry is a file does
 * not start with it. Its entry is then a line of text that loads the file.
 */
export function startWorker(module: URL, options: WorkerOptions): Worker {
  const given = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''];
  if (!given.some((text) => inputType.test(text))) return new Worker(module, options);
  return new Worker(`import(${JSON.stringify(module.href)})`, { ...options, eval: true });
}
