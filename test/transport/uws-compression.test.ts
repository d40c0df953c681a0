import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UwsTransport } from '#dist/worker/transport/uws/uws-transport.js';
import { answerOf } from './deflate-fixture.ts';
import { withTransport } from './transport-fixture.ts';

const both = 'server_no_context_takeover; client_no_context_takeover';

/** What is answered to an offer at a level of each kind; null: no compression. */
const answers: readonly (readonly [offer: string, low: string | null, middle: string | null, high: string | null])[] = [
  [
    '',
    'client_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; server_max_window_bits=10',
    'server_max_window_bits=12',
  ],
  [
    'client_max_window_bits',
    'client_no_context_takeover; server_no_context_takeover',
    'client_max_window_bits=12; server_max_window_bits=10',
    'server_max_window_bits=12',
  ],
  [
    'client_max_window_bits=9',
    'client_no_context_takeover; server_no_context_takeover',
    'client_max_window_bits=9; server_max_window_bits=10',
    'client_max_window_bits=9; server_max_window_bits=12',
  ],
  [
    'client_max_window_bits=8',
    'client_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; server_max_window_bits=10',
    'server_max_window_bits=12',
  ],
  [
    'client_no_context_takeover; client_max_window_bits=15',
    'client_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; server_max_window_bits=10',
    'client_no_context_takeover; server_max_window_bits=12',
  ],
  // What gorilla/websocket and others in Go offer.
  [
    both,
    'client_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; server_no_context_takeover',
  ],
  [
    'server_no_context_takeover; client_max_window_bits',
    'client_no_context_takeover; server_no_context_takeover',
    'client_max_window_bits=12; server_no_context_takeover',
    'server_no_context_takeover',
  ],
  [
    'server_max_window_bits=12; client_max_window_bits=12',
    null,
    'client_max_window_bits=12; server_max_window_bits=10',
    'client_max_window_bits=12; server_max_window_bits=12',
  ],
  ['server_max_window_bits=8', null, null, null],
  [
    'server_max_window_bits=9',
    null,
    'client_no_context_takeover; server_max_window_bits=9',
    'server_max_window_bits=9',
  ],
  [
    'server_max_window_bits=11',
    null,
    'client_no_context_takeover; server_max_window_bits=10',
    'server_max_window_bits=11',
  ],
  [
    'server_max_window_bits=15',
    null,
    'client_no_context_takeover; server_max_window_bits=10',
    'server_max_window_bits=12',
  ],
  ['server_no_context_takeover; server_max_window_bits=12', null, null, null],
  ['server_max_window_bits', null, null, null],
  ['server_max_window_bits=7', null, null, null],
  ['server_max_window_bits=16', null, null, null],
  ['client_max_window_bits=7', null, null, null],
  ['client_max_window_bits=16', null, null, null],
  ['client_max_window_bits=09', null, null, null],
  ['client_no_context_takeover; client_no_context_takeover', null, null, null],
  ['client_no_context_takeover=1', null, null, null],
  ['mux', null, null, null],
];

describe('what UwsTransport answers to offers of compression', () => {
  for (const [place, kind] of [
    [[1, 2, 3], 1],
    [[4, 5, 6], 2],
    [[7, 8, 9], 3],
  ] as const) {
    test(`at the levels ${place.join(', ')}`, async () => {
      for (const level of place) {
        await withTransport(
          (options, events) => new UwsTransport(options, events),
          { compression: { level } },
          async (fixture) => {
            for (const row of answers) {
              const offer = row[0] === '' ? 'permessage-deflate' : `permessage-deflate; ${row[0]}`;
              const { reply } = await fixture.connect({ headers: { 'Sec-WebSocket-Extensions': offer } });
              const answer = row[kind];
              assert.equal(answerOf(reply), answer === null ? null : `permessage-deflate; ${answer}`, offer);
            }
          },
        );
      }
    });
  }
});
