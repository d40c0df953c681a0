import { compileOptions } from '#dist/main/options/options.js';
import { loadTls } from '#dist/main/tls/tls-material.js';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { UwsTransport } from '#dist/worker/transport/uws/uws-transport.js';
import { secureRawSockets } from '../support/raw-socket.ts';
import { describeTransport } from '../transport/contract.ts';
import { first, trust } from './tls-fixture.ts';

const { tls: source } = compileOptions({ tls: { cert: first.cert, key: first.key } });
if (source === null) throw new Error('there is no TLS');
const { material: tls } = await loadTls(source);
secureRawSockets(trust);

const create: CreateTransport = (options, events) => new UwsTransport({ ...options, tls }, events);

describeTransport('UwsTransport over TLS', create, {
  earlyFrames: 'not kept',
  requestLine: 'whole',
  brokenDeflate: 'tooBig',
  finalBlocks: 'refused',
  closeCodes: 'without 1012 to 3999',
  longLengths: 'taken',
});
