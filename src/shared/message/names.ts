import { requireWellFormed } from '../base/well-formed.ts';
import { EngineError } from '../errors/index.ts';

export type NamedKind = 'channel' | 'room';

/** Throws `ERR_CHANNEL_INVALID`, `ERR_ROOM_INVALID` or `ERR_TEXT_INVALID` if the name is not valid. */
export function checkName(kind: NamedKind, name: string, limitBytes: number): void {
  // A UTF-16 unit takes one to three bytes, so the bytes need only be counted for names near the limit.
  if (typeof name === 'string' && name !== '' && name.length <= limitBytes) {
    if (name.length * 3 <= limitBytes || Buffer.byteLength(name) <= limitBytes) {
      requireWellFormed(kind, name);
      return;
    }
  }
  const allowed = `1 to ${limitBytes} bytes of UTF-8`;
  const code = kind === 'channel' ? 'ERR_CHANNEL_INVALID' : 'ERR_ROOM_INVALID';
  throw new EngineError(code, `a ${kind} name has ${allowed}`, { path: kind, given: name, allowed });
}
