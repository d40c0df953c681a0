import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { EngineError } from '../shared/errors/index.ts';
import { isHeaderValue, isToken, tokenPattern, trimBlanks } from '../shared/http/index.ts';
import { optionInvalid } from './frame-error.ts';

/** Name and value of a header line, the name as it was written. */
export type HeaderLine = readonly [name: string, value: string];

/** Headers to send: a value, or several, each on a line of its own. */
export type HeaderValues = Readonly<Record<string, string | readonly string[]>>;

export interface HttpHead {
  readonly startLine: string;
  readonly headers: readonly HeaderLine[];
}

const headEnd = Buffer.from('\r\n\r\n');
const noBytes = Buffer.alloc(0);
// Linear: it begins at one place, and neither of its repeats can take the space that ends it.
const requestForm = new RegExp(`^(${tokenPattern}) ([\\x21-\\x7e]+) HTTP/(\\d)\\.(\\d)$`);

/** The lines of a head, or what is wrong with it in words. Folded lines and bare line ends are wrong. */
export function parseHead(text: string, maxHeaders: number): HttpHead | EngineError {
  const [startLine = '', ...lines] = text.split('\r\n');
  if (lines.length > maxHeaders) {
    return tooManyHeaders(maxHeaders);
  }
  if (!isHeaderValue(startLine)) return malformed('the first line has control characters');
  const headers: HeaderLine[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!isToken(name)) return malformed('a header line does not begin with a name and a colon');
    const value = line.slice(colon + 1);
    if (!isHeaderValue(value)) return malformed(`the header ${name} has control characters`);
    headers.push([name, trimBlanks(value)]);
  }
  return { startLine, headers };
}

/** A request's head, taken apart: what `node:http` tells of a request, too. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly headers: readonly HeaderLine[];
}

/** The head of a request, or what is wrong with it. */
export function parseRequest(text: string, maxHeaders: number): RequestHead | EngineError {
  const head = parseHead(text, maxHeaders);
  if (head instanceof EngineError) return head;
  const parts = requestForm.exec(head.startLine);
  if (parts === null) return malformed('the first line is not that of an HTTP request');
  const [, method = '', target = '', major, minor] = parts;
  return { method, target, major: Number(major), minor: Number(minor), headers: head.headers };
}

export function malformed(text: string): EngineError {
  return new EngineError('ERR_HANDSHAKE_MALFORMED', text);
}

export function tooManyHeaders(most: number): EngineError {
  return new EngineError('ERR_HANDSHAKE_TOO_LARGE', `there are more than ${most} headers`);
}

export function headTooLong(mostBytes: number): EngineError {
  return new EngineError('ERR_HANDSHAKE_TOO_LARGE', `the head has more than ${mostBytes} bytes`);
}

export interface ReadHead {
  /** The head without its last line ends, byte for byte. */
  readonly text: string;
  /** What came behind it. */
  readonly rest: Buffer;
}

/**
 * Reads up to the blank line that ends a head, however slowly it comes, and leaves the stream paused. `first` came
 * before, behind another head. Rejects with ERR_HANDSHAKE_TOO_LARGE, ERR_HANDSHAKE_ABORTED if the stream ends before, or
 * with what `signal` gives. Each byte is looked at a bounded number of times, also if each comes by itself.
 */
export function readHead(
  stream: Duplex,
  maxBytes: number,
  signal: AbortSignal,
  first: Buffer = noBytes,
): Promise<ReadHead> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    let isDone = false;
    /** The last bytes that were looked at: the end may lie across two chunks. */
    let lastBytes: Buffer = Buffer.alloc(0);
    const finish = (): void => {
      isDone = true;
      stream.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onError);
      signal.removeEventListener('abort', onAbort);
      stream.pause();
    };
    const fail = (error: unknown): void => {
      finish();
      reject(error);
    };
    const onData = (chunk: unknown): void => {
      if (!(chunk instanceof Uint8Array)) {
        fail(optionInvalid('stream', typeof chunk, 'a stream of bytes, without an encoding'));
        return;
      }
      chunks.push(chunk);
      size += chunk.length;
      const window = Buffer.concat([lastBytes, chunk]);
      const found = window.indexOf(headEnd);
      const end = found < 0 ? -1 : size - window.length + found;
      if (end > maxBytes || (end < 0 && size > maxBytes)) {
        fail(headTooLong(maxBytes));
        return;
      }
      lastBytes = Buffer.from(window.subarray(-3));
      if (end < 0) return;
      finish();
      const all = Buffer.concat(chunks, size);
      resolve({ text: all.toString('latin1', 0, end), rest: all.subarray(end + headEnd.length) });
    };
    const onEnd = (): void => fail(new EngineError('ERR_HANDSHAKE_ABORTED', 'the peer hung up within the handshake'));
    const onError = (cause: Error): void =>
      fail(
        new EngineError('ERR_HANDSHAKE_ABORTED', `the stream failed within the handshake: ${cause.message}`, { cause }),
      );
    const onAbort = (): void => fail(signal.reason);
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    if (first.length > 0) onData(first);
    if (isDone) return;
    if (stream.destroyed || stream.readableEnded) {
      onEnd();
      return;
    }
    signal.addEventListener('abort', onAbort);
    stream.on('end', onEnd).on('close', onEnd).on('error', onError).on('data', onData);
    stream.resume();
  });
}

/** Header lines to write. Throws ERR_OPTION_INVALID for what would not be one line each. */
export function headerLines(headers: HeaderValues, path: string): string {
  let lines = '';
  for (const [name, values] of Object.entries(headers)) {
    for (const value of typeof values === 'string' ? [values] : values) {
      if (!isToken(name) || typeof value !== 'string' || !isHeaderValue(value)) {
        const detail = {
          path: `${path}.${name}`,
          given: value,
          allowed: 'a name and a text without control characters',
        };
        throw new EngineError('ERR_OPTION_INVALID', `the header ${name} cannot be sent`, detail);
      }
      lines += `${name}: ${value}\r\n`;
    }
  }
  return lines;
}

/** A name in the form `Sec-Websocket-Key`. The pattern has no repeat. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replaceAll(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
}
