import { readTerms } from '../support/deflate-peer.ts';
import { fc } from '../support/properties.ts';

interface Parameter {
  readonly name: string;
  readonly value: string | null;
  readonly quoted: boolean;
}

/** One element of a `Sec-WebSocket-Extensions` header. */
interface Extension {
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

const parameterNames = [
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
];
const likelyValues = ['8', '9', '10', '11', '12', '13', '14', '15'];
const likely: fc.Arbitrary<Parameter> = fc.oneof(
  fc.record({
    name: fc.constantFrom(...parameterNames.slice(0, 2)),
    value: fc.constant(null),
    quoted: fc.constant(false),
  }),
  fc.record({
    name: fc.constantFrom(...parameterNames.slice(2)),
    value: fc.constantFrom(...likelyValues),
    quoted: fc.boolean(),
  }),
  fc.constant({ name: 'client_max_window_bits', value: null, quoted: false }),
);
const unlikely: fc.Arbitrary<Parameter> = fc.record({
  name: fc.constantFrom(...parameterNames, 'no_context_takeover', 'max_window_bits', 'mux'),
  value: fc.constantFrom(null, '0', '1', '7', '16', '08', '010', '1e1', 'x', '-9', '99999999999'),
  quoted: fc.boolean(),
});
/** Offers of which some are right, some nearly so. */
export const extensions: fc.Arbitrary<readonly Extension[]> = fc.array(
  fc.record({
    name: fc.oneof(
      { weight: 6, arbitrary: fc.constant('permessage-deflate') },
      { weight: 1, arbitrary: fc.constantFrom('x-webkit-deflate-frame', 'permessage-bzip2', 'Permessage-Deflate') },
    ),
    parameters: fc.array(fc.oneof({ weight: 8, arbitrary: likely }, { weight: 1, arbitrary: unlikely }), {
      maxLength: 4,
    }),
  }),
  { maxLength: 3 },
);

export function render({ name, parameters }: Extension): string {
  const parts = parameters.map(({ name: key, value, quoted }) =>
    value === null ? key : `${key}=${quoted ? `"${value}"` : value}`,
  );
  return [name, ...parts].join('; ');
}

/** Whether a server may accept this at all (RFC 7692 sections 5.1 and 7.1). */
export function isAcceptable({ name, parameters }: Extension): boolean {
  const names = parameters.map((parameter) => parameter.name);
  if (name !== 'permessage-deflate' || new Set(names).size !== names.length) return false;
  return parameters.every(({ name: key, value }) => {
    if (key === 'server_no_context_takeover' || key === 'client_no_context_takeover') return value === null;
    if (key === 'server_max_window_bits') return value !== null && likelyValues.includes(value);
    return key === 'client_max_window_bits' && (value === null || likelyValues.includes(value));
  });
}

/** Whether an answer is one to this offer. */
export function isAnswerTo(offer: Extension, answer: string): boolean {
  if (!isAcceptable(offer)) return false;
  const terms = readTerms(answer);
  return (
    offer.parameters.every(({ name, value }) => {
      if (name === 'server_no_context_takeover') return !terms.serverTakeover;
      if (name === 'server_max_window_bits') {
        return answer.includes('server_max_window_bits=') && terms.serverWindowBits <= Number(value);
      }
      if (name === 'client_max_window_bits' && value !== null && answer.includes('client_max_window_bits=')) {
        return terms.clientWindowBits <= Number(value);
      }
      return true;
    }) &&
    (!answer.includes('client_max_window_bits=') ||
      offer.parameters.some((parameter) => parameter.name === 'client_max_window_bits'))
  );
}
