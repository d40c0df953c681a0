import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { msgpackCodec } from '#dist/shared/codec/msgpack-codec.js';
import { bytesOf, envelopeOf, saidBy, textOf } from './codec-fixture.ts';
import { bin, bytesOfHex, decodeHex, hexOf, mapOf, refusalOfHex, str } from './msgpack-fixture.ts';

/** The int64 after `d3`. */
function int64(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16).padStart(16, '0');
}

function timestampOf(hex: string): bigint {
  return decodeHex(mapOf(['timestamp', hex])).timestamp;
}

const all = {
  type: 'message',
  channel: 'news',
  data: bytesOf('x'),
  timestamp: 5n,
  clientId: 'client-1',
};

describe('reading MessagePack messages', () => {
  test('integers of every width are timestamps', () => {
    const cases: readonly (readonly [string, bigint])[] = [
      ['00', 0n],
      ['7f', 127n],
      ['e0', -32n],
      ['ff', -1n],
      ['cc80', 128n],
      ['ccff', 255n],
      ['cd0100', 256n],
      ['cdffff', 65535n],
      ['ce80000000', 2n ** 31n],
      ['ceffffffff', 2n ** 32n - 1n],
      ['cf0000000000000000', 0n],
      ['cf7fffffffffffffff', 2n ** 63n - 1n],
      ['d080', -128n],
      ['d07f', 127n],
      ['d18000', -32768n],
      ['d17fff', 32767n],
      ['d280000000', -(2n ** 31n)],
      ['d27fffffff', 2n ** 31n - 1n],
      ['d38000000000000000', -(2n ** 63n)],
      ['d3ffffffffffffffff', -1n],
      ['d37fffffffffffffff', 2n ** 63n - 1n],
      [`d3${int64(1700000000123456789n)}`, 1700000000123456789n],
      [`cf${int64(1700000000123456789n)}`, 1700000000123456789n],
      ['c0', 0n],
    ];
    for (const [hex, value] of cases) assert.equal(timestampOf(hex), value, hex);
  });

  test('a uint64 beyond int64 is malformed', () => {
    for (const hex of ['cf8000000000000000', 'cfffffffffffffffff']) {
      assert.match(refusalOfHex(mapOf(['timestamp', hex])), /at byte 11: "timestamp" is not in the int64 range$/);
    }
  });

  test('a float is no timestamp, whole or not', () => {
    for (const hex of ['cb43d7979cfe3d85cd', 'cb0000000000000000', 'ca00000000', 'ca3f800000']) {
      assert.match(refusalOfHex(mapOf(['timestamp', hex])), /at byte 11: "timestamp" is not an integer$/);
    }
  });

  test('other types are no timestamp', () => {
    for (const hex of ['a130', 'c40130', '90', '80', 'c2', 'c3', 'c1', 'd6ff00000000', 'd7ff0000000000000000']) {
      assert.match(refusalOfHex(mapOf(['timestamp', hex])), /"timestamp" is not an integer$/, hex);
    }
  });

  test('data may be str, and strings bin, of every head', () => {
    for (const head of ['a2', 'd902', 'da0002', 'db00000002', 'c402', 'c50002', 'c600000002']) {
      const hex = mapOf(
        ['type', `${head}6869`],
        ['channel', `${head}6869`],
        ['data', `${head}6869`],
        ['client_id', `${head}6869`],
      );
      const expected = { type: 'hi', channel: 'hi', data: bytesOf('hi'), clientId: 'hi' };
      assert.deepEqual(saidBy(decodeHex(hex)), saidBy(envelopeOf(expected)), head);
    }
  });

  test('data in a str may be any bytes, as old writers without bin put them there', () => {
    assert.deepEqual(decodeHex(mapOf(['data', 'a3ff00fe'])).data, Uint8Array.of(255, 0, 254));
  });

  test('keys may be bin too, and of every head', () => {
    for (const head of ['a4', 'd904', 'da0004', 'db00000004', 'c404', 'c50004', 'c600000004']) {
      assert.equal(decodeHex(`81 ${head}74797065 a161`).type, 'a', head);
    }
  });

  test('the head of the map may be of every width', () => {
    for (const head of ['81', 'de0001', 'df00000001']) assert.equal(decodeHex(`${head} a474797065 a161`).type, 'a');
    for (const head of ['80', 'de0000', 'df00000000'])
      assert.deepEqual(saidBy(decodeHex(head)), saidBy(envelopeOf({})));
  });

  test('an array of the five values is a message', () => {
    const values = `${str('message')}${str('news')}${bin('x')}05${str('client-1')}`;
    for (const head of ['95', 'dc0005', 'dd00000005']) {
      assert.deepEqual(saidBy(decodeHex(head + values)), saidBy(envelopeOf(all)), head);
    }
    assert.deepEqual(saidBy(decodeHex('95c0c0c0c0c0')), saidBy(envelopeOf({})));
  });

  test('an array of more or fewer values is malformed', () => {
    for (const hex of [
      '90',
      '94a0a0c000',
      '98a0a0c000a00000c0',
      'dc0000',
      'dc0008a0a0c000a00000c0',
      'dd00000004a0a0c000',
    ]) {
      assert.match(refusalOfHex(hex), /at byte 0: an array of \d values, not 5 to 7$/, hex);
    }
  });

  test('anything else is no message', () => {
    for (const hex of ['c0', '01', 'a0', 'c400', 'cb0000000000000000', 'c1', 'c3', 'd40000', 'ff']) {
      assert.match(refusalOfHex(hex), /at byte 0: not a map$/, hex);
    }
    assert.match(refusalOfHex(''), /at byte 0: empty$/);
  });

  test('nil for a field is its zero value, and resets it', () => {
    const nils = ['type', 'channel', 'data', 'timestamp', 'client_id'].map((key): [string, string] => [key, 'c0']);
    assert.deepEqual(saidBy(decodeHex(mapOf(...nils))), saidBy(envelopeOf({})));
    assert.equal(decodeHex(mapOf(['type', 'a161'], ['type', 'c0'])).type, '');
  });

  test('nil data is null, and empty data is empty', () => {
    assert.equal(decodeHex(mapOf(['data', 'c0'])).data, null);
    for (const hex of ['c400', 'c50000', 'c600000000', 'a0', 'd900']) {
      assert.deepEqual(decodeHex(mapOf(['data', hex])).data, new Uint8Array(0), hex);
    }
    assert.equal(decodeHex('80').data, null);
  });

  test('nothing is said about whether data is JSON', () => {
    assert.equal(decodeHex(mapOf(['data', bin('{}')])).dataIsJson, undefined);
  });

  test('keys come in any order, and the last of several wins', () => {
    const hex = mapOf(
      ['client_id', str('client-1')],
      ['timestamp', '04'],
      ['data', bin('y')],
      ['timestamp', '05'],
      ['channel', str('news')],
      ['type', str('first')],
      ['data', bin('x')],
      ['type', str('message')],
    );
    assert.deepEqual(saidBy(decodeHex(hex)), saidBy(envelopeOf(all)));
  });

  test('an earlier value of the wrong type is malformed although a later one is right', () => {
    assert.match(refusalOfHex(mapOf(['type', '01'], ['type', 'a161'])), /at byte 6: "type" is neither str nor bin$/);
  });

  test('keys match exactly', () => {
    const others = ['Type', 'TYPE', 'typ', 'types', 'type\0', '', 'clientId', 'client-id', 'Data', 'é', '__proto__'];
    const hex = mapOf(...others.map((key): [string, string] => [key, 'a161']));
    assert.deepEqual(saidBy(decodeHex(hex)), saidBy(envelopeOf({})));
  });

  test('a key that is no string is malformed', () => {
    for (const key of ['00', 'c0', 'c3', '90', '80', 'cb0000000000000000', 'd40000', 'c1', 'ff']) {
      assert.match(refusalOfHex(`81${key}c0`), /at byte 1: a key is neither str nor bin$/, key);
    }
  });

  test('values of unknown keys are passed over, of whatever type', () => {
    const values = [
      ...['00', '7f', 'ff', 'c0', 'c2', 'c3', 'ca00000000', 'cb0000000000000000'],
      ...['cc00', 'cd0000', 'ce00000000', 'cf0000000000000000', 'd000', 'd10000', 'd200000000', 'd30000000000000000'],
      ...['a0', 'a161', 'd90161', 'da000161', 'db0000000161', 'a2fffe', 'c400', 'c40161', 'c5000161', 'c60000000161'],
      ...['d40100', 'd5010000', 'd60100000000', `d701${'00'.repeat(8)}`, `d801${'00'.repeat(16)}`],
      ...['c70001', 'c7030100c1c1', 'c8000001', 'c80001ffc1', 'c90000000001', 'c90000000101c1'],
      ...['90', '92c0a161', 'dc0000', 'dc000100', 'dd00000000', 'dd0000000100', `9f${'00'.repeat(15)}`],
      ...['80', '81a16101', '820001c0c3', 'de0000', 'de00010000', 'df00000000', 'df000000010000'],
      ...['9281a0909180', '9391c0810092a000c0'],
    ];
    for (const value of values) {
      const hex = mapOf(['x', value], ['type', 'a161']);
      assert.equal(decodeHex(hex).type, 'a', value);
      for (let cut = 0; cut < value.length; cut += 2) refusalOfHex(`81a178${value.slice(0, cut)}`);
    }
    assert.match(refusalOfHex(mapOf(['x', 'c1'])), /at byte 3: a value of no type$/);
    assert.match(refusalOfHex(mapOf(['x', '92c0c1'])), /at byte 5: a value of no type$/);
  });

  test('a value nests 32 deep and no deeper', () => {
    for (const [open, last] of [
      ['91', '90'],
      ['81a0', '80'],
      ['dc0001', 'c0'],
      ['df0000000100', '00'],
    ] as const) {
      const hex = (depth: number): string => mapOf(['x', open.repeat(depth) + last], ['type', 'a161']);
      assert.equal(decodeHex(hex(32)).type, 'a');
      assert.match(refusalOfHex(hex(33)), /: nested deeper than 32$/);
      assert.match(refusalOfHex(hex(100_000)), /: nested deeper than 32$/);
    }
  });

  test('many values side by side are not depth', () => {
    const hex = mapOf(['x', `dd00010000${'9190'.repeat(65_536)}`], ['type', 'a161']);
    assert.equal(decodeHex(hex).type, 'a');
  });

  test('bytes after the message are ignored', () => {
    for (const after of ['00', 'c1', 'ffff', '81a474797065a162']) {
      assert.equal(decodeHex(mapOf(['type', 'a161']) + after).type, 'a');
      assert.equal(decodeHex(`95a161c0c0c0c0${after}`).type, 'a');
    }
  });

  test('type, channel and client_id must be strings', () => {
    for (const name of ['type', 'channel', 'client_id']) {
      for (const hex of [
        '00',
        'ff',
        'c1',
        'c2',
        '90',
        '80',
        'cb0000000000000000',
        'd40161',
        'c70101',
        'd30000000000000000',
      ]) {
        assert.match(refusalOfHex(mapOf([name, hex])), new RegExp(`"${name}" is neither str nor bin$`));
      }
    }
    for (const hex of ['00', '90', '81a161c0', 'c70061', 'c3']) {
      assert.match(refusalOfHex(mapOf(['data', hex])), /at byte 6: "data" is neither str nor bin$/);
    }
  });

  test('strings must be UTF-8 (RFC 3629)', () => {
    const wrong = [
      'ff',
      '80',
      'c0af',
      'c3',
      'e9a2',
      'eda080',
      'edb080',
      'f4908080',
      'f8888080',
      'f09f98',
      '61c328',
      'efbfbdff',
    ];
    for (const bytes of wrong) {
      for (const long of ['', '61'.repeat(300)]) {
        const length = (bytes.length + long.length) / 2;
        const hex = `81a474797065 da${length.toString(16).padStart(4, '0')} ${long}${bytes}`;
        assert.match(refusalOfHex(hex), /at byte 9: "type" is not UTF-8$/, hex);
        assert.match(refusalOfHex(hex.replace('da', 'c5')), /"type" is not UTF-8$/, hex);
      }
    }
  });

  test('U+FFFD, a byte order mark and zero are characters like others', () => {
    for (const text of ['\ufffd', 'a\ufffdb', '\ufeffa', '\0', '😀\u{10ffff}', `\ufffd${'é'.repeat(50)}`]) {
      assert.equal(decodeHex(mapOf(['type', str(text)])).type, text);
      assert.equal(decodeHex(mapOf(['type', bin(text)])).type, text);
    }
  });

  test('lengths beyond the message fail at once and take no memory', () => {
    const huge = [
      'dfffffffff',
      'deffff',
      '8f',
      'ddffffffff',
      '81a178 ddffffffff',
      '81a178 dfffffffff',
      '81a178 c6ffffffff',
      '81a178 dbffffffff',
      '81a178 c9ffffffff',
      '81a178 c9ffffffff 01',
      `81a178 ${'dd0fffffff'.repeat(20)}`,
      '81a464617461 c6ffffffff',
      '81a464617461 dbffffffff 00',
      '81a474797065 dbffffffff',
      '81a474797065 c6ffffffff 00',
      '81 dbffffffff',
      '81 c6ffffffff 00',
    ];
    for (const hex of huge) refusalOfHex(hex);
    const bytes = huge.map(bytesOfHex);
    const before = process.memoryUsage();
    const start = performance.now();
    for (let round = 0; round < 1000; round++) {
      for (const message of bytes) assert.throws(() => msgpackCodec.decode(message));
    }
    assert.ok(performance.now() - start < 10_000);
    const after = process.memoryUsage();
    assert.ok(after.arrayBuffers - before.arrayBuffers < 16e6);
    assert.ok(after.heapUsed - before.heapUsed < 200e6);
  });

  test('a refusal names the byte where the message goes wrong', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['81a474797065', /byte 6: unexpected end$/],
      ['83a4747970', /byte 0: more announced/],
      ['82a474797065a0', /byte 7: unexpected end$/],
      ['81a474797065a261', /byte 6: more announced/],
      ['81a474797065d9', /byte 7: unexpected end$/],
      ['81a974696d657374616d70d300', /byte 13: unexpected end$/],
      ['81a3747970', /byte 5: unexpected end$/],
      ['81a4747970', /byte 1: more announced/],
      ['95a0a0c0', /byte 4: unexpected end$/],
      ['dc00', /byte 2: unexpected end$/],
      ['df0000', /byte 3: unexpected end$/],
    ];
    for (const [hex, expected] of cases) assert.match(refusalOfHex(hex), expected, hex);
  });

  test('data is a view of the message', () => {
    const bytes = bytesOfHex(mapOf(['data', bin('abc')]));
    const { data } = msgpackCodec.decode(bytes);
    assert.ok(data);
    assert.equal(data.buffer, bytes.buffer);
    bytes[bytes.length - 1] = 0x7a;
    assert.equal(textOf(data), 'abz');
  });

  test('a message is read where it lies in a larger or a shared memory', () => {
    const whole = msgpackCodec.encode(envelopeOf({ ...all, channel: `news-é-${'x'.repeat(60)}`, timestamp: -7n }));
    for (let offset = 0; offset < 9; offset++) {
      const shared = new Uint8Array(new SharedArrayBuffer(whole.length + 20), offset, whole.length);
      shared.set(whole);
      const pooled = Buffer.alloc(whole.length + 20, 0xc1).subarray(offset, offset + whole.length);
      pooled.set(whole);
      assert.deepEqual(saidBy(msgpackCodec.decode(shared)), saidBy(msgpackCodec.decode(whole)));
      assert.deepEqual(saidBy(msgpackCodec.decode(pooled)), saidBy(msgpackCodec.decode(whole)));
    }
    const wrong = new Uint8Array(new SharedArrayBuffer(8));
    wrong.set(bytesOfHex('81a474797065a1ff'));
    assert.throws(() => msgpackCodec.decode(wrong), { code: 'ERR_MESSAGE_MALFORMED' });
  });

  test('a view never shows what lies around it', () => {
    const around = bytesOfHex(`${mapOf(['type', 'a3616263'])}646566`);
    for (let end = 0; end < 10; end++) {
      assert.throws(() => msgpackCodec.decode(around.subarray(0, end)), { code: 'ERR_MESSAGE_MALFORMED' });
    }
  });

  test('a failed read leaves nothing behind for the next one', () => {
    refusalOfHex(mapOf(['type', 'a161'], ['data', bin('x')], ['timestamp', 'c1']));
    assert.deepEqual(saidBy(decodeHex(mapOf(['client_id', 'a178']))), saidBy(envelopeOf({ clientId: 'x' })));
  });

  test('it works where there is no Buffer', () => {
    const url = new URL(import.meta.resolve('#dist/shared/codec/msgpack-codec.js')).href;
    const script = `
      const { Buffer } = globalThis;
      delete globalThis.Buffer;
      const { msgpackCodec } = await import(${JSON.stringify(url)});
      globalThis.Buffer = Buffer;
      const type = 'é频😀\\ud800' + 'x'.repeat(100);
      const bytes = msgpackCodec.encode({ type, channel: 'c', data: Uint8Array.of(1), timestamp: -1n, clientId: '' });
      const { type: read, channel, data, timestamp } = msgpackCodec.decode(bytes);
      let refused = '';
      try { msgpackCodec.decode(Uint8Array.of(0x81, 0xa4, 0x74, 0x79, 0x70, 0x65, 0xa1, 0xff)); }
      catch (error) { refused = error.code; }
      console.log(JSON.stringify([read === type.toWellFormed(), channel, [...data], String(timestamp), refused]));`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(printed), [true, 'c', [1], '-1', 'ERR_MESSAGE_MALFORMED']);
  });

  test('what is written is what was meant, byte by byte', () => {
    const hex = hexOf(msgpackCodec.encode(envelopeOf({ ...all, timestamp: -1n })));
    const expected = mapOf(
      ['type', str('message')],
      ['channel', str('news')],
      ['data', bin('x')],
      ['timestamp', 'd3ffffffffffffffff'],
      ['client_id', str('client-1')],
    );
    assert.equal(hex, expected);
  });
});
