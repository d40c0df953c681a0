import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { protobufCodec, protobufControl } from '#dist/shared/codec/protobuf-codec.js';

describe('the static code of the Protobuf codec', () => {
  test('is what pbjs makes of the .proto file', () => {
    const script = fileURLToPath(new URL('../../../scripts/generate-codecs.mjs', import.meta.url));
    execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  });

  test('the codec is Protobuf at index 1 in binary frames, and cannot be changed', () => {
    assert.equal(protobufCodec.name, 'protobuf');
    assert.equal(protobufCodec.index, 1);
    assert.equal(protobufCodec.binary, true);
    assert.ok(Object.isFrozen(protobufCodec) && Object.isFrozen(protobufControl));
  });

  test('messages are written and read alike where there is no Buffer, as in a browser', () => {
    const names = ['', 'plain', 'é频😀', '\ufeffmarked', '\ufffd', 'x'.repeat(300), `${'é'.repeat(300)}"\n`];
    const program = `
      const names = ${JSON.stringify(names)};
      if (process.argv[1] === 'without') delete globalThis.Buffer;
      const { protobufCodec } = await import(${JSON.stringify(import.meta.resolve('#dist/shared/codec/protobuf-codec.js'))});
      for (const type of names) {
        const data = Uint8Array.of(1, 2, 3);
        const bytes = protobufCodec.encode({ type, channel: type, data, timestamp: -1n, clientId: type });
        const back = protobufCodec.decode(bytes);
        const alike = [back.type, back.channel, back.clientId].every((name) => name === type);
        console.log(bytes.join(' '), back.data.join(' '), alike && back.timestamp === -1n);
      }
      for (const bytes of [[10, 1, 255], [10, 2, 195, 40], [10, 9]]) {
        try {
          protobufCodec.decode(Uint8Array.from(bytes));
        } catch (error) {
          console.log(error.code, error.message);
        }
      }`;
    const run = (how: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '--eval', program, how], { encoding: 'utf8' });
    const output = run('without');
    assert.equal(output, run('with'));
    assert.equal(output.match(/true$/gm)?.length, names.length);
    assert.equal(output.match(/^ERR_MESSAGE_MALFORMED/gm)?.length, 3);
  });
});
