import { benchFrameEcho } from './frame-echo.ts';
import { benchFrameParts } from './frame-parts.ts';
import { benchFrameStream } from './frame-stream.ts';

/** The frame toolkit: streaming into a sink, masking, headers, and echo next to `ws`. */
export async function benchFrame(): Promise<void> {
  await benchFrameStream();
  benchFrameParts();
  await benchFrameEcho();
}
