const codecCount = 4;

/**
 * How a connection's frames are built, as its subprotocol says. `classic` is the form of version 1. `deflate2` has a
 * flag in front of the payload that says whether it is deflated. `seal3` has the flag and protection against replays.
 * `deflate2` and `seal3` derive keys for each subprotocol and direction. `deflate` and `seal2` are the same forms
 * without derived keys: a frame recorded in one subprotocol can be passed off in another.
 */
export type SealForm = 'classic' | 'deflate' | 'seal2' | 'deflate2' | 'seal3';

/** The forms that are sealed once for all recipients. */
export type SharedSealForm = Exclude<SealForm, 'seal2' | 'seal3'>;

/**
 * Connections that get the same frames form a variant: one per codec, and two more per codec for the forms with
 * deflated payloads. Each variant has a native topic.
 */
const sharedForms: readonly SharedSealForm[] = ['classic', 'deflate', 'deflate2'];
export const variantCount: number = sharedForms.length * codecCount;

/** The variant of a codec and a form. Forms that are sealed for each connection alone count as `classic`. */
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
