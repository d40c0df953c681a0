import { benchFrameEcho } from './frame-echo.ts';

await benchFrameEcho();
