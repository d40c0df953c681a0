import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { benchFrameParts } from './frame-parts.ts';
import { benchFrameStream } from './frame-stream.ts';

/** The frame toolkit: streaming into a sink, masking, headers, and echo next to `ws`. */
export async function benchFrame(): Promise<void> {
  await benchFrameStream();
  benchFrameParts();
  // In a thread of its own: what ran here has shown the compiler streams of other kinds, which only ours would pay for.
  await once(new Worker(new URL('./frame-echo-clients.js', import.meta.url)), 'exit');
}
