import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  answerDeflateOffer,
  type DeflateOptions,
  deflateConfig,
  deflateOffer,
  formatExtensions,
  parseExtensions,
  readDeflateAnswer,
} from '#dist/frame/index.js';
import { thrownBy } from './frame-fixture.ts';

/** What a server with these options answers to a header, as a header; null: it declines all offers. */
function answered(header: string, options: DeflateOptions = {}): string | null {
  for (const offer of parseExtensions(header) ?? []) {
    if (offer.name !== 'permessage-deflate') continue;
    const answer = answerDeflateOffer(offer, deflateConfig(options));
    if (answer !== null) return formatExtensions([answer.terms]);
  }
  return null;
}

const p = 'permessage-deflate';

describe('the header of extensions', () => {
  test('is read in every form that the RFC allows', () => {
    assert.deepEqual(parseExtensions('a;foo=1 , b; bar=2, c, d;baz="3" ;flag'), [
      { name: 'a', parameters: [['foo', '1']] },
      { name: 'b', parameters: [['bar', '2']] },
      { name: 'c', parameters: [] },
      {
        name: 'd',
        parameters: [
          ['baz', '3'],
          ['flag', null],
        ],
      },
    ]);
    assert.deepEqual(parseExtensions(''), []);
    assert.deepEqual(parseExtensions(' , ,a ,'), [{ name: 'a', parameters: [] }]);
    assert.deepEqual(parseExtensions('a; b="\\1\\2"'), [{ name: 'a', parameters: [['b', '12']] }]);
  });

  test('in any other form is refused', () => {
    for (const wrong of [
      '=[',
      'a b',
      'a;',
      'a;=1',
      'a; b=',
      'a; b="',
      'a; b="x y"',
      'a; b=""',
      'a;b=c d',
      'é',
      'a;;b',
      '"a"',
    ]) {
      assert.equal(parseExtensions(wrong), null, wrong);
    }
  });

  test('of hostile length takes no hostile time', () => {
    assert.equal(parseExtensions(`${'a;b="'.repeat(100_000)}`), null);
    assert.equal(parseExtensions(`a;b="${'\\'.repeat(100_000)}`), null);
    assert.equal(parseExtensions(`${' '.repeat(200_000)}=`), null);
  });

  test('is written without spaces', () => {
    const all = parseExtensions('a; b=1; c, d') ?? [];
    assert.equal(formatExtensions(all), 'a;b=1;c,d');
  });
});

describe('a server', () => {
  const rows: [string, DeflateOptions, string | null][] = [
    [p, {}, p],
    [`${p}; client_max_window_bits`, {}, p],
    [`${p}; server_no_context_takeover`, {}, `${p};server_no_context_takeover`],
    [`${p}; client_no_context_takeover`, {}, `${p};client_no_context_takeover`],
    [p, { serverNoContextTakeover: true }, `${p};server_no_context_takeover`],
    [p, { clientNoContextTakeover: true }, `${p};client_no_context_takeover`],
    [`${p}; server_max_window_bits=15`, {}, `${p};server_max_window_bits=15`],
    [`${p}; server_max_window_bits=10`, {}, `${p};server_max_window_bits=10`],
    [`${p}; server_max_window_bits="10"`, {}, `${p};server_max_window_bits=10`],
    [`${p}; server_max_window_bits=12`, { serverMaxWindowBits: 11 }, `${p};server_max_window_bits=11`],
    [`${p}; server_max_window_bits=10`, { serverMaxWindowBits: 11 }, `${p};server_max_window_bits=10`],
    [p, { serverMaxWindowBits: 11 }, `${p};server_max_window_bits=11`],
    [`${p}; server_max_window_bits=8`, {}, null],
    [`${p}; client_max_window_bits`, { clientMaxWindowBits: 10 }, `${p};client_max_window_bits=10`],
    [`${p}; client_max_window_bits=12`, { clientMaxWindowBits: 10 }, `${p};client_max_window_bits=10`],
    [`${p}; client_max_window_bits=9`, { clientMaxWindowBits: 10 }, `${p};client_max_window_bits=9`],
    [`${p}; client_max_window_bits=8`, {}, `${p};client_max_window_bits=8`],
    [p, { clientMaxWindowBits: 10 }, p],
    // Declined: wrong, doubled or unknown parameters.
    [`${p}; server_max_window_bits`, {}, null],
    [`${p}; server_max_window_bits=7`, {}, null],
    [`${p}; server_max_window_bits=16`, {}, null],
    [`${p}; server_max_window_bits=010`, {}, null],
    [`${p}; server_max_window_bits=1e1`, {}, null],
    [`${p}; client_max_window_bits=abc`, {}, null],
    [`${p}; server_no_context_takeover=1`, {}, null],
    [`${p}; client_no_context_takeover=true`, {}, null],
    [`${p}; unknown`, {}, null],
    [`${p}; client_max_window_bits; client_max_window_bits`, {}, null],
    [`${p}; server_no_context_takeover; server_no_context_takeover`, {}, null],
    [`${p}; server_max_window_bits=10; server_max_window_bits=11`, {}, null],
    ['x-webkit-deflate-frame', {}, null],
    // The first offer that can be met is taken.
    [
      `${p}; unknown, ${p}; server_max_window_bits=8, ${p}; server_max_window_bits=9, ${p}`,
      {},
      `${p};server_max_window_bits=9`,
    ],
    [`foo, ${p}; server_no_context_takeover; client_max_window_bits, ${p}`, {}, `${p};server_no_context_takeover`],
  ];
  for (const [offer, options, answer] of rows) {
    test(`answers ${offer} ${JSON.stringify(options)} with ${answer}`, () => {
      assert.equal(answered(offer, options), answer);
    });
  }

  test('uses what it has answered, not what it was configured with', () => {
    const [offer] =
      parseExtensions(`${p}; server_max_window_bits=10; client_no_context_takeover; client_max_window_bits=12`) ?? [];
    assert.ok(offer !== undefined);
    assert.deepEqual(answerDeflateOffer(offer, deflateConfig({ clientMaxWindowBits: 11 }))?.parameters, {
      role: 'server',
      serverNoContextTakeover: false,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 11,
    });
  });
});

describe('a client', () => {
  const read = (answer: string, options: DeflateOptions = {}): unknown => {
    const [terms] = parseExtensions(answer) ?? [];
    assert.ok(terms !== undefined);
    return readDeflateAnswer(terms, deflateConfig(options));
  };

  test('offers what its options say', () => {
    const offered = (options: DeflateOptions): string => formatExtensions([deflateOffer(deflateConfig(options))]);
    assert.equal(offered({}), `${p};client_max_window_bits`);
    assert.equal(
      offered({
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 9,
        clientMaxWindowBits: 12,
      }),
      `${p};server_no_context_takeover;client_no_context_takeover;server_max_window_bits=9;client_max_window_bits=12`,
    );
  });

  test('takes answers that keep to the offer, and uses them', () => {
    assert.deepEqual(read(`${p}; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=9`), {
      role: 'client',
      serverNoContextTakeover: true,
      clientNoContextTakeover: false,
      serverMaxWindowBits: 12,
      clientMaxWindowBits: 9,
    });
    assert.deepEqual(read(p, { clientMaxWindowBits: 11, clientNoContextTakeover: true }), {
      role: 'client',
      serverNoContextTakeover: false,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 11,
    });
  });

  test('refuses every other answer', () => {
    const wrong: [string, DeflateOptions][] = [
      [`${p}; unknown`, {}],
      [`${p}; server_max_window_bits`, {}],
      [`${p}; server_max_window_bits=16`, {}],
      [`${p}; client_max_window_bits`, {}],
      [`${p}; client_max_window_bits=7`, {}],
      [`${p}; server_no_context_takeover=1`, {}],
      [`${p}; server_no_context_takeover; server_no_context_takeover`, {}],
      [p, { serverNoContextTakeover: true }],
      [p, { serverMaxWindowBits: 10 }],
      [`${p}; server_max_window_bits=11`, { serverMaxWindowBits: 10 }],
      [`${p}; client_max_window_bits=12`, { clientMaxWindowBits: 10 }],
    ];
    for (const [answer, options] of wrong) assert.equal(typeof read(answer, options), 'string', answer);
  });

  test('and server refuse options that make no sense', () => {
    const wrong: [DeflateOptions, string][] = [
      [{ level: 0 }, 'deflate.level'],
      [{ level: 10 }, 'deflate.level'],
      [{ memLevel: 0 }, 'deflate.memLevel'],
      [{ serverMaxWindowBits: 8 }, 'deflate.serverMaxWindowBits'],
      [{ clientMaxWindowBits: 16 }, 'deflate.clientMaxWindowBits'],
      [{ thresholdBytes: -1 }, 'deflate.thresholdBytes'],
      [{ serverNoContextTakeover: 1 as unknown as boolean }, 'deflate.serverNoContextTakeover'],
      [{ compressor: {} as unknown as () => never }, 'deflate.compressor'],
    ];
    for (const [options, path] of wrong) {
      const error = thrownBy(() => deflateConfig(options));
      assert.equal(error.code, 'ERR_OPTION_INVALID');
      assert.equal(error.path, path);
    }
  });
});
