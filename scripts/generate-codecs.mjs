// Writes the static code of the Protobuf codec from its .proto file:
//   node scripts/generate-codecs.mjs            writes src/shared/codec/protobuf/envelope.generated.ts
//   node scripts/generate-codecs.mjs --check    writes nothing and fails if that file is not up to date
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import protobuf from 'protobufjs';
import pbjs from 'protobufjs-cli/pbjs.js';

const source = fileURLToPath(new URL('../src/shared/codec/protobuf/envelope.proto', import.meta.url));
const target = fileURLToPath(new URL('../src/shared/codec/protobuf/envelope.generated.ts', import.meta.url));

const typeOfField = { string: 'string', bytes: 'Uint8Array', int64: 'Int64', uint64: 'Int64' };

// pbjs writes JavaScript. What the codec uses of it is declared around it, so that tsc can take it as it is; the name of
// the root keeps it apart from other static code on the same protobufjs.
const leftOut = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'service', 'comments'].map(
  (what) => `--no-${what}`,
);
const javascript = await promisify(pbjs.main)(['--target', 'static', '--root', 'shardwire', ...leftOut, source]);
const { root } = protobuf.parse(readFileSync(source, 'utf8'), { keepCase: false });
const messages = root.lookup('hypgo.websocket').nestedArray.map((message) => {
  const fields = message.fieldsArray.map((field) => `  ${field.name}: ${typeOfField[field.type]};\n`).join('');
  return `
export interface ${message.name} {
${fields}}

export const ${message.name}: StaticType<${message.name}> = $root${message.fullName};
`;
});

const text = `// @ts-nocheck
// biome-ignore-all lint: generated
// biome-ignore-all format: generated
// biome-ignore-all assist: generated
// Generated from envelope.proto by scripts/generate-codecs.mjs. Do not edit.
import $protobuf, { type Writer } from 'protobufjs/minimal.js';

${javascript.trim()}

/**
 * What a reader's \`int64\` and \`uint64\` give and a writer's take: protobufjs knows numbers and Longs, a subclass may
 * know bigint.
 */
export type Int64 = number | bigint | { readonly low: number; readonly high: number };

/** The static code of one message. Absent fields read as zero values, through the prototype. */
export interface StaticType<Message> {
  encode(message: Partial<Message>, writer?: Writer): Writer;
  /** Takes bytes, or a Reader of protobufjs or of a subclass; throws any Error for what it cannot read. */
  decode(reader: object): Message;
}
${messages.join('')}`;

if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (readFileSync(target, 'utf8') !== text) {
  console.error(`${target} is not up to date: run node scripts/generate-codecs.mjs`);
  process.exitCode = 1;
}
