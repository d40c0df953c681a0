import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DeflateTerms } from '#dist/shared/http/index.js';
import { readDeflateOffers } from '#dist/worker/transport/uws/deflate-offers.js';
import { fc } from '../support/properties.ts';
import { extensions, isAcceptable, render } from './offer-fixture.ts';

const none: DeflateTerms = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: null,
  clientMaxWindowBits: null,
};

describe('reading offers of permessage-deflate', () => {
  test('every parameter is read, also quoted, and offers keep their order', () => {
    assert.deepEqual(
      readDeflateOffers(
        'permessage-deflate; server_no_context_takeover;client_max_window_bits , x-one; a="b\\c"; d=e,' +
          '\tpermessage-deflate ;client_no_context_takeover; server_max_window_bits = 9 ; client_max_window_bits="1\\5",' +
          'permessage-deflate',
      ),
      [
        { ...none, serverNoContextTakeover: true, clientMaxWindowBits: 'any' },
        { ...none, clientNoContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 15 },
        none,
      ],
    );
  });

  test('exactly the acceptable offers of a well-formed header are found', () => {
    fc.assert(
      fc.property(extensions, (offers) => {
        const found = readDeflateOffers(offers.map(render).join(', '));
        const right = offers.filter(isAcceptable);
        assert.deepEqual(
          found,
          right.map(({ parameters }) => {
            const value = (name: string): string | null | undefined =>
              parameters.find((parameter) => parameter.name === name)?.value;
            const clientBits = value('client_max_window_bits');
            return {
              serverNoContextTakeover: value('server_no_context_takeover') === null,
              clientNoContextTakeover: value('client_no_context_takeover') === null,
              serverMaxWindowBits: Number(value('server_max_window_bits') ?? 0) || null,
              clientMaxWindowBits: clientBits === undefined ? null : clientBits === null ? 'any' : Number(clientBits),
            };
          }),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('any text is read without an error, and what is found is possible', () => {
    const pieces = fc.constantFrom('permessage-deflate', ';', ',', '=', '"', '\\', ' ', '\t', '9', 'x', 'ä', '\0');
    const joined = fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), joined), (text) => {
        for (const { serverMaxWindowBits: bits } of readDeflateOffers(text)) assert.ok(bits === null || bits >= 8);
      }),
      { numRuns: 5_000 },
    );
  });

  test('a header of the greatest size costs time in proportion to it', () => {
    // Were it quadratic or worse, these would take minutes and the run would end them.
    for (const piece of ['"', ' ', ', ', '\\', 'a="', ';', '"\\', 'permessage-deflate; client_max_window_bits="']) {
      readDeflateOffers(`permessage-deflate; a=${piece.repeat(400_000)}`);
    }
  });
});
