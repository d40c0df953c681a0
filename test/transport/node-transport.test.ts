import { NodeTransport } from '#dist/worker/transport/node/node-transport.js';
import { describeTransport } from './contract.ts';

describeTransport('NodeTransport', (options, events) => new NodeTransport(options, events), {
  earlyFrames: 'kept',
  requestLine: 'in pieces',
  brokenDeflate: 'protocolError',
  finalBlocks: 'read',
  closeCodes: 'all',
  longLengths: 'refused',
});
