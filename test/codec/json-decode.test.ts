import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonCodec } from '#dist/shared/codec/index.js';
import { bytesOf, decodeText, envelopeOf, refusalOf, saidBy, textOf } from './codec-fixture.ts';

function refusalOfText(text: string): string {
  return refusalOf(bytesOf(text));
}

function dataOf(text: string): string | null {
  const { data } = decodeText(text);
  return data === null ? null : textOf(data);
}

describe('reading JSON messages', () => {
  test('the null document is an empty message', () => {
    assert.deepEqual(saidBy(decodeText('null')), saidBy(envelopeOf({})));
    assert.deepEqual(saidBy(decodeText(' \r\n\tnull ')), saidBy(envelopeOf({})));
    assert.deepEqual(saidBy(decodeText('{}')), saidBy(envelopeOf({})));
  });

  test('a document that is no object is malformed', () => {
    for (const text of ['[]', '[{"type":"a"}]', '"type"', '1', 'true', 'false']) {
      assert.match(refusalOfText(text), /at byte 0: not an object$/, text);
    }
  });

  test('nothing, whitespace alone and a byte order mark are malformed', () => {
    assert.match(refusalOfText(''), /at byte 0: empty$/);
    assert.match(refusalOfText('  \n'), /at byte 3: empty$/);
    assert.match(refusalOfText('\ufeff{}'), /at byte 0: unexpected character$/);
  });

  test('keys match whatever their ASCII case, and only whole', () => {
    const text = '{"TYPE":"a","Channel":"b","dAtA":1,"TimeStamp":2,"CLIENT_ID":"c"}';
    const expected = { type: 'a', channel: 'b', data: bytesOf('1'), timestamp: 2n, clientId: 'c' };
    assert.deepEqual(saidBy(decodeText(text)), saidBy(envelopeOf(expected)));
    // "\x7f" is "_" with one bit more; folding that went by bits alone would take it.
    const others = '{"typ":"a","types":"a","client\x7fid":"a","client-id":"a","clientid":"a","\u0164ype":"a","":"a"}';
    assert.deepEqual(saidBy(decodeText(others)), saidBy(envelopeOf({})));
  });

  test('keys match after their escapes are decoded', () => {
    assert.equal(decodeText('{"\\u0074ype":"a"}').type, 'a');
    assert.equal(decodeText('{"\\u0054YP\\u0045":"a"}').type, 'a');
    assert.equal(decodeText('{"type\\u0000":"a"}').type, '');
    assert.equal(decodeText('{"\\u0174ype":"a"}').type, '');
  });

  test('the last of several members with one key wins, whatever their case', () => {
    assert.equal(decodeText('{"type":"a","TYPE":"b","Type":"c"}').type, 'c');
    assert.equal(dataOf('{"data":1,"DATA":[2]}'), '[2]');
    assert.equal(decodeText('{"timestamp":1,"timestamp":2}').timestamp, 2n);
  });

  test('null leaves a field as it was, as in Go, and makes data nil', () => {
    const text = '{"type":null,"channel":null,"data":null,"timestamp":null,"client_id":null,"data_base64":null}';
    assert.deepEqual(saidBy(decodeText(text)), saidBy(envelopeOf({})));
    assert.equal(decodeText('{"type":"a","type":null}').type, 'a');
    assert.equal(decodeText('{"timestamp":3,"timestamp":null}').timestamp, 3n);
    assert.equal(dataOf('{"data":1,"data":null}'), null);
  });

  test('an earlier member of the wrong kind is malformed although a later one is right', () => {
    assert.match(refusalOfText('{"type":1,"type":"a"}'), /at byte 8: "type" is not a string$/);
    assert.match(refusalOfText('{"timestamp":1.5,"timestamp":1}'), /"timestamp" is not an integer/);
  });

  test('unknown keys are skipped and their values validated', () => {
    assert.equal(decodeText('{"x":{"type":"no","y":[1,{"z":null}]},"type":"a","w":-1.5e-7}').type, 'a');
    assert.match(refusalOfText('{"x":[1,],"type":"a"}'), /at byte 8: unexpected character$/);
    assert.match(refusalOfText('{"x":"\x01"}'), /at byte 6: control character in a string$/);
  });

  test('whitespace may follow the document, and nothing else', () => {
    assert.equal(decodeText('{"type":"a"} \n\t\r').type, 'a');
    for (const text of ['{}x', '{} {}', '{},', 'null null', '{}\0'])
      assert.match(refusalOfText(text), /more after the end$/);
  });

  test('type, channel and client_id must be strings', () => {
    for (const name of ['type', 'channel', 'client_id']) {
      for (const value of ['1', 'true', '{}', '["a"]']) {
        assert.match(refusalOfText(`{"${name}":${value}}`), new RegExp(`"${name}" is not a string$`));
      }
    }
  });

  test('escapes in strings are decoded; a lone surrogate becomes U+FFFD', () => {
    const cases: readonly [string, string][] = [
      ['\\"\\\\\\/\\b\\f\\n\\r\\t', '"\\/\b\f\n\r\t'],
      ['\\u00e9\\u9891é频😀', 'é频é频😀'],
      ['\\ud83d\\ude00', '😀'],
      ['\\uD83D\\uDE00', '😀'],
      ['\\ud83dA', '\ufffdA'],
      ['\\ude00', '\ufffd'],
      ['\\ud83d\\ud83d\\ude00', '\ufffd😀'],
      ['\\u0000', '\0'],
      [`\\n${'x'.repeat(500)}`, `\n${'x'.repeat(500)}`],
    ];
    for (const [written, meant] of cases) assert.equal(decodeText(`{"type":"${written}"}`).type, meant);
  });

  test('a byte order mark inside a string is a character of it', () => {
    assert.equal(decodeText('{"type":"\ufeffa"}').type, '\ufeffa');
    assert.equal(decodeText(`{"type":"\ufeff${'a'.repeat(40)}"}`).type, `\ufeff${'a'.repeat(40)}`);
  });

  test('a timestamp is exact over all of int64', () => {
    const exact = [1700000000123456789n, 9007199254740993n, 2n ** 63n - 1n, -(2n ** 63n), -1n, 999999999n, 1000000000n];
    for (const value of exact) assert.equal(decodeText(`{"timestamp":${value}}`).timestamp, value);
    assert.equal(decodeText('{"timestamp":-0}').timestamp, 0n);
  });

  test('a timestamp is an integer literal in the int64 range or malformed', () => {
    const outside = [2n ** 63n, -(2n ** 63n) - 1n, 9999999999999999999n, -9999999999999999999n, 10n ** 19n, 10n ** 40n];
    for (const value of ['1.5', '1e3', '1E3', '1.0', '-0.0', '0e0', '"1"', '""', 'true', '[1]', '{}', ...outside]) {
      assert.match(refusalOfText(`{"timestamp":${value}}`), /at byte 13: "timestamp" is not an integer/, String(value));
    }
    for (const value of ['01', '+1', '-', '1.', '.5', '0x1', '--1', 'NaN', '1_000'])
      refusalOfText(`{"timestamp":${value}}`);
  });

  test('data keeps its own bytes and is a view of the message', () => {
    const bytes = bytesOf('{ "data" : \n { "b" : 1.0 , "a" : "\\u00e9" } \t}');
    const { data, dataIsJson } = jsonCodec.decode(bytes);
    assert.ok(data);
    assert.equal(textOf(data), '{ "b" : 1.0 , "a" : "\\u00e9" }');
    assert.equal(data.buffer, bytes.buffer);
    assert.equal(dataIsJson, true);
  });

  test('data may be any JSON value', () => {
    for (const value of ['0', '-1e-7', '""', '"a"', 'true', 'false', '[]', '{}', '[[{"a":[]}]]']) {
      assert.equal(dataOf(`{"data":${value},"type":"a"}`), value);
    }
  });

  test('a message is read where it lies in a larger or a shared memory', () => {
    const text = `{"type":"message","data":"${'plain text '.repeat(30)}"}`;
    for (let offset = 0; offset < 9; offset++) {
      const shared = new Uint8Array(new SharedArrayBuffer(text.length + 20), offset, text.length);
      shared.set(bytesOf(text));
      const envelope = jsonCodec.decode(shared);
      assert.equal(envelope.type, 'message');
      assert.equal(envelope.data?.length, 332);
    }
  });

  test('data_base64 stands for data that is absent or null', () => {
    for (const text of [
      '{"data_base64":"AP8="}',
      '{"data":null,"data_base64":"AP8="}',
      '{"DATA_BASE64":"AP8=","data":null}',
    ]) {
      const { data, dataIsJson } = decodeText(text);
      assert.deepEqual(data, Uint8Array.of(0, 255));
      assert.equal(dataIsJson, false);
    }
    assert.deepEqual(decodeText('{"data_base64":""}').data, new Uint8Array(0));
    assert.equal(decodeText('{"data_base64":"MQ=="}').dataIsJson, true);
    assert.deepEqual(decodeText('{"data_base64":"\\/\\/8\\u003d"}').data, Uint8Array.of(255, 255));
    assert.equal(dataOf('{"data_base64":"AP8=","data":1}'), '1');
  });

  test('data_base64 that is not standard base64 with padding is malformed', () => {
    const wrong = [
      'A',
      'AA',
      'AAA',
      'AA=',
      '=',
      '====',
      'A===',
      'AA==AA==',
      'A=A=',
      'AA=A',
      'AP8',
      '-_8=',
      'AP8=\\n',
      ' AP8=',
    ];
    // Bits under the padding that are not zero: two texts for the same bytes (RFC 4648 section 3.5).
    for (const value of [...wrong, 'AB==', 'AAB=', 'é===', 'AA\\u0000=']) {
      assert.match(refusalOfText(`{"data_base64":"${value}"}`), /at byte 15: "data_base64" is not base64$/, value);
    }
    assert.match(refusalOfText('{"data_base64":1}'), /"data_base64" is not a string$/);
    assert.match(refusalOfText('{"data":1,"data_base64":"?"}'), /"data_base64" is not base64$/);
  });

  test('a refusal names the byte where the message goes wrong', () => {
    const cases: readonly [string, RegExp][] = [
      ['{', /byte 1: unexpected end$/],
      ['{"type"', /byte 7: unexpected end$/],
      ['{"type":', /byte 8: unexpected end$/],
      ['{"type":"a', /byte 10: string without an end$/],
      ['{"type":"a"', /byte 11: unexpected end$/],
      ['{"type":"a",', /byte 12: unexpected end$/],
      ['{"type":"a",}', /byte 12: unexpected character$/],
      ['{,}', /byte 1: unexpected character$/],
      ['{"a" 1}', /byte 5: unexpected character$/],
      ['{"a":1 "b":2}', /byte 7: unexpected character$/],
      ["{'a':1}", /byte 1: unexpected character$/],
      ['{"a":tru}', /byte 8: unexpected character$/],
      ['{"a":"\\x"}', /byte 6: bad escape$/],
      ['{"a":"\\u12g4"}', /byte 6: bad \\u escape$/],
      ['{"é":\x01}', /byte 6: unexpected character$/],
      ['nul', /byte 3: unexpected end$/],
    ];
    for (const [text, expected] of cases) assert.match(refusalOfText(text), expected, text);
    assert.match(refusalOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), /byte 2: invalid UTF-8$/);
  });

  test('a failed read leaves nothing behind for the next one', () => {
    refusalOfText('{"type":"left","channel":"left","timestamp":1,"data":1,');
    assert.deepEqual(saidBy(decodeText('{"client_id":"x"}')), saidBy(envelopeOf({ clientId: 'x' })));
  });
});
