import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { codecByIndex, codecByName, codecs } from '#dist/shared/codec/index.js';

describe('the codec registry', () => {
  test('each codec is found by its name and by its index, and JSON alone speaks in text frames', () => {
    assert.deepEqual(
      codecs.map((codec) => [codec.index, codec.name, codec.binary]),
      [
        [0, 'json', false],
        [1, 'protobuf', true],
        [2, 'flatbuffers', true],
        [3, 'msgpack', true],
      ],
    );
    for (const codec of codecs) {
      assert.equal(codecByName(codec.name), codec);
      assert.equal(codecByIndex(codec.index), codec);
    }
  });

  test('names and indices that no codec has find nothing', () => {
    for (const name of ['', 'JSON', 'xml', 'constructor', '__proto__']) assert.equal(codecByName(name), undefined);
    for (const index of [-1, 4, 0.5, Number.NaN]) assert.equal(codecByIndex(index), undefined);
  });

  test('codecs and their list cannot be changed', () => {
    assert.ok(Object.isFrozen(codecs));
    for (const codec of codecs) assert.ok(Object.isFrozen(codec) && Object.isFrozen(codec.control), codec.name);
  });
});

describe('the codecs without Node', () => {
  test('text is read and written alike where there is no Buffer, as in a browser', () => {
    const names = ['', 'plain', 'é频😀', '\ufeffmarked', 'x'.repeat(300), `${'é'.repeat(300)}"\n`];
    const program = `
      const names = ${JSON.stringify(names)};
      if (process.argv[1] === 'without') delete globalThis.Buffer;
      const { codecs } = await import(${JSON.stringify(import.meta.resolve('#dist/shared/codec/index.js'))});
      for (const codec of codecs) for (const type of names) {
        const data = new TextEncoder().encode(JSON.stringify(type));
        const bytes = codec.encode({ type, channel: type, data, timestamp: 1n, clientId: type });
        const back = codec.decode(bytes);
        const same = back.data.length === data.length && [back.type, back.channel, back.clientId].every((name) => name === type);
        console.log(bytes.join(' '), same);
      }`;
    const run = (how: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '--eval', program, how], { encoding: 'utf8' });
    const output = run('without');
    assert.equal(output, run('with'));
    assert.equal(output.match(/true$/gm)?.length, names.length * codecs.length);
  });
});
