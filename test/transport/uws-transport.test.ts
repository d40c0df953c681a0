import { UwsTransport } from '#dist/worker/transport/uws/uws-transport.js';
import { describeTransport } from './contract.ts';

describeTransport('UwsTransport', (options, events) => new UwsTransport(options, events), {
  earlyFrames: 'not kept',
  requestLine: 'whole',
  brokenDeflate: 'tooBig',
  finalBlocks: 'refused',
  closeCodes: 'without 1012 to 3999',
  longLengths: 'taken',
});
