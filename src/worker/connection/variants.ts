const codecCount = 4;

/**
 * How a connection's frames are built, as its subprotocol says: `classic` as the Go peers do, `deflate2` with a flag in
 * front of the payload that says whether it is deflated, `seal3` with that and with protection against replays. Both have
 * keys that are derived for subprotocol and direction. `deflate` and `seal2` are the same without that: what was recorded
 * of one can be taken for another.
 */
export type SealForm = 'classic' | 'deflate' | 'seal2' | 'deflate2' | 'seal3';

/** Of those, the ones that are sealed once for all who read them. */
export type SharedSealForm = Exclude<SealForm, 'seal2' | 'seal3'>;

/**
 * Connections that get the very same frames form a variant: one per codec, and two more per codec for the two forms with
 * deflated payloads. Each has a native topic.
 */
const sharedForms: readonly SharedSealForm[] = ['classic', 'deflate', 'deflate2'];
export const variantCount: number = sharedForms.length * codecCount;

/** Of connections that are sealed for one by one, that of their codec. */
export function variantOf(codecIndex: number, form: SealForm): number {
  return Math.max(0, (sharedForms as readonly SealForm[]).indexOf(form)) * codecCount + codecIndex;
}

export function formOfVariant(variant: number): SharedSealForm {
  return sharedForms[Math.floor(variant / codecCount)] ?? 'classic';
}

/** The next variant of the same codec; -1: there is none. */
export function nextVariant(variant: number): number {
  return variant + codecCount < variantCount ? variant + codecCount : -1;
}
