import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { codecByIndex, codecByName, codecs, jsonCodec } from '#dist/shared/codec/index.js';

describe('the codec registry', () => {
  test('JSON is found by its name and by its index 0, and speaks in text frames (H-05)', () => {
    assert.equal(codecByName('json'), jsonCodec);
    assert.equal(codecByIndex(0), jsonCodec);
    assert.equal(jsonCodec.binary, false);
    assert.deepEqual(
      codecs.map((codec) => codec.name),
      ['json'],
    );
  });

  test('names and indices that no codec has find nothing', () => {
    for (const name of ['', 'JSON', 'xml', 'constructor', '__proto__']) assert.equal(codecByName(name), undefined);
    for (const index of [-1, 4, 0.5, Number.NaN]) assert.equal(codecByIndex(index), undefined);
  });

  test('codecs and their list cannot be changed', () => {
    assert.ok(Object.isFrozen(codecs) && Object.isFrozen(jsonCodec) && Object.isFrozen(jsonCodec.control));
  });
});

describe('the codecs without Node', () => {
  test('text is read and written alike where there is no Buffer, as in a browser', () => {
    const names = ['', 'plain', 'é频😀', '\ufeffmarked', 'x'.repeat(300), `${'é'.repeat(300)}"\n`];
    const program = `
      const names = ${JSON.stringify(names)};
      if (process.argv[1] === 'without') delete globalThis.Buffer;
      const { jsonCodec } = await import(${JSON.stringify(import.meta.resolve('#dist/shared/codec/index.js'))});
      for (const type of names) {
        const bytes = jsonCodec.encode({ type, channel: type, data: null, timestamp: 1n, clientId: type });
        const back = jsonCodec.decode(bytes);
        console.log(bytes.join(' '), [back.type, back.channel, back.clientId].every((name) => name === type));
      }`;
    const run = (how: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '--eval', program, how], { encoding: 'utf8' });
    const output = run('without');
    assert.equal(output, run('with'));
    assert.equal(output.match(/true$/gm)?.length, names.length);
  });
});
