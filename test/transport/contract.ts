import { describe } from 'node:test';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { describeEnds } from './contract-ends.ts';
import { describeListening } from './contract-listening.ts';
import { describeMessages } from './contract-messages.ts';
import { describeRequests } from './contract-requests.ts';
import { describeSending } from './contract-sending.ts';
import type { TransportLimits } from './transport-fixture.ts';

/** What every adapter of the transport port promises. Runs in the test's own thread, over real sockets. */
export function describeTransport(name: string, create: CreateTransport, limits: TransportLimits): void {
  describe(`${name} as a transport`, () => {
    describeRequests(create, limits);
    describeMessages(create);
    describeSending(create);
    describeEnds(create);
    describeListening(create);
  });
}
