import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseStatusLine } from '#dist/frame/dial-response.js';
import { canonicalName, headerLines, parseHead, parseRequest } from '#dist/frame/http-head.js';
import { compileOptions } from '#dist/main/options/options.js';
import { canonicalAddress } from '#dist/shared/base/ip-address.js';
import {
  type ExtensionTerms,
  hasItem,
  hasToken,
  isAsciiHeaderValue,
  isHandshakeKey,
  isHeaderValue,
  isToken,
  parseExtensions,
  parseTokens,
  readDeflateTerms,
  splitList,
  trimBlanks,
} from '#dist/shared/http/index.js';
import { checkHandshake } from '#dist/worker/handshake/check-handshake.js';
import { createFindClient } from '#dist/worker/handshake/client-address.js';
import { parseCookies } from '#dist/worker/handshake/cookies.js';
import { createHostCheck } from '#dist/worker/handshake/host-check.js';
import type { TransportRequest } from '#dist/worker/transport/transport.js';
import { readDeflateOffers } from '#dist/worker/transport/uws/deflate-offers.js';

const { config } = compileOptions();
const trustful = createFindClient(true);
const checkHost = createHostCheck({ ...config, hosts: ['a', '[::1]:8080'] });
const listed = createFindClient(['10.0.0.0/8', '127.0.0.1']);

function request(name: string, value: string): TransportRequest {
  const headers = new Map([
    ['host', 'a'],
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
    ['sec-websocket-version', '13'],
    ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ['sec-websocket-protocol', 'json'],
    [name, value],
  ]);
  return {
    method: 'GET',
    path: config.path,
    query: name === 'query' ? value : '',
    headers,
    remoteAddress: '127.0.0.1',
    proxiedAddress: '',
    clientCertificate: null,
  };
}

const header = (name: string): [string, (text: string) => unknown] => [
  `a handshake's ${name}`,
  (text) => checkHandshake(request(name, text), config),
];

const deflateWith = (bits: string): ExtensionTerms => ({
  name: 'permessage-deflate',
  parameters: [['server_max_window_bits', bits]],
});

/** All that reads text from outside. What they throw is an answer like any other. */
const parsers: readonly (readonly [string, (text: string) => unknown])[] = [
  ['parseHead, a value', (text) => parseHead(`GET / HTTP/1.1\r\nX: ${text}`, 100)],
  ['parseHead, a name', (text) => parseHead(`GET / HTTP/1.1\r\n${text}`, 100)],
  ['parseHead, a first line', (text) => parseHead(text, 100)],
  ['parseStatusLine, a reason', (text) => parseStatusLine(`HTTP/1.1 200 ${text}`)],
  ['parseStatusLine', parseStatusLine],
  ['parseRequest, a method', (text) => parseRequest(`${text} / HTTP/1.1`, 100)],
  ['parseRequest, a target', (text) => parseRequest(`GET ${text} HTTP/1.1`, 100)],
  ['isToken', isToken],
  ['isHeaderValue', isHeaderValue],
  ['isAsciiHeaderValue', isAsciiHeaderValue],
  ['isHandshakeKey', isHandshakeKey],
  ['trimBlanks', trimBlanks],
  ['splitList', splitList],
  ['hasItem', (text) => hasItem(text, 'json')],
  ['parseTokens', parseTokens],
  ['parseExtensions', parseExtensions],
  ['parseExtensions, a value', (text) => parseExtensions(`a;b=${text}`)],
  ['parseExtensions, a text in quotes', (text) => parseExtensions(`a;b="${text}`)],
  ['hasToken', (text) => hasToken(text, 'upgrade')],
  ['canonicalName', canonicalName],
  ['headerLines', (text) => headerLines({ X: text }, 'headers')],
  ['readDeflateTerms, a value', (text) => readDeflateTerms(deflateWith(text))],
  ['readDeflateTerms, a name', (text) => readDeflateTerms({ name: 'permessage-deflate', parameters: [[text, null]] })],
  ['readDeflateOffers', readDeflateOffers],
  ['readDeflateOffers, a text in quotes', (text) => readDeflateOffers(`permessage-deflate;a="${text}`)],
  ['parseCookies', parseCookies],
  ['canonicalAddress', canonicalAddress],
  ['X-Forwarded-For, all trusted', (text) => trustful(request('x-forwarded-for', text))],
  ['X-Forwarded-For, some trusted', (text) => listed(request('x-forwarded-for', text))],
  ['X-Forwarded-Host', (text) => trustful(request('x-forwarded-host', text))],
  ['Host, of a server that lists its hosts', (text) => checkHost(request('host', text), null)],
  header('host'),
  header('connection'),
  header('upgrade'),
  header('origin'),
  header('sec-websocket-key'),
  header('sec-websocket-protocol'),
  header('x-client-id'),
  header('query'),
];

/** What is repeated between a beginning and an end that make a parser look back. */
const pumps = [
  ' ',
  '\t',
  ',',
  ' ,',
  ';',
  '"',
  '\\',
  '\\"',
  '=',
  'a',
  'a ',
  'a,',
  'a;',
  'a=',
  '-a',
  ':',
  '1:',
  '[',
  '10.0.0.1,',
];
const around = [
  ['', ''],
  ['a', 'b'],
  ['https://', '!'],
] as const;
const shortTimes = 16;
/** Sixteen times this is about the longest head. */
const shortLength = 1_000;
/** Between 1 and 16. */
const mostGrowth = 8;

function reads(parse: (text: string) => unknown, text: string): void {
  try {
    parse(text);
  } catch {
    // Refused.
  }
}

/** Of the processor, so that others who want it do not count. */
function timeOf(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return Math.max(1, user + system);
}

/**
 * How many times longer one text takes than sixteen of a sixteenth of its length: 1 if time grows with the length, 16 if
 * with its square. The best of some rounds, since the collector or the compiler may be at work in one of them.
 */
function growthOf(parse: (text: string) => unknown, textOf: (length: number) => string, rounds = 100): number {
  const short = textOf(shortLength);
  const long = textOf(shortLength * shortTimes);
  let least = Infinity;
  // Code that is not compiled yet would make the short ones look slow.
  for (let i = 0; i < shortTimes; i++) reads(parse, short);
  for (let round = 0; round < rounds && least > mostGrowth; round++) {
    const shorts = timeOf(() => {
      for (let i = 0; i < shortTimes; i++) reads(parse, short);
    });
    least = Math.min(least, timeOf(() => reads(parse, long)) / shorts);
  }
  return least;
}

describe('reading text from outside takes time in proportion to its length', () => {
  for (const [name, parse] of parsers) {
    it(name, () => {
      for (const pump of pumps) {
        for (const [before, behind] of around) {
          const textOf = (length: number): string => before + pump.repeat(Math.ceil(length / pump.length)) + behind;
          const growth = growthOf(parse, textOf);
          assert.ok(growth <= mostGrowth, `${JSON.stringify(before + pump)} repeated: ${growth.toFixed(1)} times`);
        }
      }
    });
  }

  it('an origin and a host whose characters are all different, which reading a URL takes longer for', () => {
    const textOf = (length: number): string => {
      const characters = Array.from({ length: Math.ceil(length / 9) }, (_, i) => String.fromCodePoint(0x4e00 + i));
      return `https://${characters.map(encodeURIComponent).join('')}`;
    };
    const asked = (name: string, text: string): TransportRequest => {
      const { headers, ...rest } = request(name, text);
      return { ...rest, headers: new Map([['origin', 'https://a'], ...headers]) };
    };
    for (const name of ['origin', 'host']) {
      const growth = growthOf((text) => checkHandshake(asked(name, text), config), textOf);
      assert.ok(growth <= mostGrowth, `${name}: ${growth.toFixed(1)} times`);
      const verdict = checkHandshake(asked(name, textOf(4_000)), config);
      assert.ok(!verdict.ok && verdict.answer.body.startsWith('ERR_HANDSHAKE_ORIGIN'), name);
    }
  });

  it('the measure tells the square from the line', () => {
    const blanksAtTheEnd = (text: string): string => text.replaceAll(/[ \t]+$/g, '');
    const textOf = (length: number): string => `a${' '.repeat(length)}b`;
    assert.ok(growthOf(blanksAtTheEnd, textOf, 2) > mostGrowth);
    assert.ok(growthOf(parseTokens as (text: string) => unknown, textOf) <= mostGrowth);
  });
});
