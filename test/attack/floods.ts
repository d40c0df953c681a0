import { constants, deflateRawSync } from 'node:zlib';
import type { CounterName } from '#dist/shared/memory/counters.js';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { type Attack, flood } from './attack.ts';

const text = (payload: string): Buffer => frameBytes({ opcode: opcode.text, payload });

/** A message as permessage-deflate sends it (RFC 7692 section 7.2.1). */
function deflated(payload: Uint8Array | string): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  return frameBytes({ opcode: opcode.text, rsv: 4, payload: bytes });
}

const offersDeflate = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } };

/** A flood may be held, or be closed for too much. */
const held: readonly CounterName[] = [
  'turnsHeld',
  'turnsOverrun',
  'rateLimited',
  'messagesAbandoned',
  'messagesDropped',
  'batchesDropped',
  'pongsDropped',
  'slowConsumersClosed',
  'handshakesAbandoned',
  'connectionsCut',
];

function floodOf(
  name: string,
  bytes: Uint8Array,
  evidence: readonly CounterName[],
  more: Pick<Attack, 'options'> & { readonly offersDeflate?: boolean } = {},
): Attack {
  return {
    name,
    ...(more.options === undefined ? {} : { options: more.options }),
    explains: [...held, ...evidence],
    evidence,
    run: (port, over) => flood(port, over, bytes, more.offersDeflate === true ? offersDeflate : {}),
  };
}

const publish = JSON.stringify({ type: 'publish', channel: 'flood', data: 'x'.repeat(40) });
const bomb = JSON.stringify({ type: 'publish', channel: 'flood', data: ' '.repeat(20_000_000) });

/** Each kind of frame, faster than one client should be heard. */
export const floods: readonly Attack[] = [
  floodOf('small messages', text(publish), ['turnsHeld']),
  floodOf('unknown types', text('{"type":"x"}'), ['messagesUnknownType']),
  floodOf('forbidden broadcasts', text('{"type":"broadcast","data":1}'), ['controlRefused']),
  floodOf('malformed messages', text('{"type":'), ['messagesMalformed']),
  floodOf('pings', frameBytes({ opcode: opcode.ping, payload: 'are you there' }), ['turnsHeld']),
  floodOf('pongs', frameBytes({ opcode: opcode.pong }), ['turnsHeld']),
  floodOf(
    'fragments',
    Buffer.concat([
      frameBytes({ opcode: opcode.text, fin: false, payload: '{"type":' }),
      ...Array.from({ length: 50 }, () => frameBytes({ opcode: opcode.continuation, fin: false, payload: '' })),
      frameBytes({ opcode: opcode.continuation, payload: '"x"}' }),
    ]),
    ['messagesUnknownType'],
  ),
  floodOf('deflated messages', deflated(publish), ['messagesIn'], {
    options: { compression: true },
    offersDeflate: true,
  }),
  floodOf('bombs', deflated(bomb), ['messagesTooLarge'], { options: { compression: true }, offersDeflate: true }),
];
