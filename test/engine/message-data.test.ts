import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { copyOfData, MessageData } from '#dist/shared/message/message-data.js';

const source = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe('the data of a received message', () => {
  test('is a copy that nothing overwrites, of any length', () => {
    const lengths = [0, 1, 7, 8, 9, 64, 1_000, 1_024, 1_025, 5_000, 100_000];
    const originals = Array.from({ length: 2_000 }, (_, at) => source(lengths[at % lengths.length] ?? 0, at & 255));
    const copies = originals.map((bytes) => copyOfData(bytes));
    for (const original of originals) original.fill(0xaa);
    for (const [at, copy] of copies.entries()) {
      assert.ok(copy instanceof MessageData);
      assert.deepEqual(new Uint8Array(copy), source(lengths[at % lengths.length] ?? 0, at & 255));
    }
  });

  test('slice() gives one with memory of its own, which may be transferred; that of the message stays', () => {
    const copy = copyOfData(Buffer.from('{"a":1}'));
    const neighbour = copyOfData(Buffer.from('neighbour'));
    const own = copy.slice();
    assert.equal(own.buffer.byteLength, own.length);
    structuredClone(own, { transfer: [own.buffer as ArrayBuffer] });
    try {
      // Node 22 throws, Node 20 copies.
      structuredClone(copy, { transfer: [copy.buffer as ArrayBuffer] });
    } catch (error) {
      assert.equal(error instanceof Error && error.name, 'DataCloneError');
    }
    assert.deepEqual([copy.json(), neighbour.text()], [{ a: 1 }, 'neighbour']);
  });

  test('of an empty message there is no buffer that another one shares, which may be transferred', () => {
    const first = copyOfData(new Uint8Array(0));
    structuredClone(first.buffer, { transfer: [first.buffer as ArrayBuffer] });
    const [second, third] = [copyOfData(new Uint8Array(0)), copyOfData(new Uint8Array(0))];
    assert.deepEqual([second.length, second.text(), second.buffer.byteLength], [0, '', 0]);
    assert.notEqual(second.buffer, third.buffer);
    assert.equal(copyOfData(Buffer.from('x')).text(), 'x');
  });

  test('numbers of up to 8 bytes may be read from it in place', () => {
    for (const length of [1, 24, 7, 8, 40]) {
      const data = copyOfData(source(length, 1));
      assert.equal(data.byteOffset % 8, 0);
      const whole = Math.floor(length / 8);
      assert.equal(new BigUint64Array(data.buffer, data.byteOffset, whole).length, whole);
      assert.equal(new DataView(data.buffer, data.byteOffset, length).getUint8(length - 1), 1);
    }
  });

  test('the compiler comes to an end with the code that makes it', () => {
    const module = import.meta.resolve('#dist/shared/message/message.js');
    const program = `
      const { receivedMessage } = await import(${JSON.stringify(module)});
      const envelope = { type: 't', channel: '', data: new Uint8Array(64), timestamp: 1n, clientId: 'c' };
      let bytes = 0;
      for (let i = 0; i < 400_000; i++) bytes += receivedMessage(envelope).data.length;
      console.log('bytes', bytes);`;
    const flags = ['--trace-opt', '--input-type=module', '--eval', program];
    const trace = execFileSync(process.execPath, flags, { encoding: 'utf8', maxBuffer: 64 * 1_048_576 });
    assert.match(trace, /^bytes 25600000$/m);
    assert.match(trace, /completed optimizing/);
    const aborted = trace.split('\n').filter((line) => line.includes('aborted optimizing')).length;
    assert.ok(aborted < 5, `it was given up ${aborted} times`);
  });
});
