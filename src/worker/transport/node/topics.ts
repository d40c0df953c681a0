/** Who is in which topic. A topic is there while it has members. */
export class Topics<M> {
  readonly #members = new Map<string, Set<M>>();

  add(topic: string, member: M): void {
    const members = this.#members.get(topic);
    if (members === undefined) this.#members.set(topic, new Set([member]));
    else members.add(member);
  }

  delete(topic: string, member: M): void {
    const members = this.#members.get(topic);
    if (members?.delete(member) === true && members.size === 0) this.#members.delete(topic);
  }

  membersOf(topic: string): ReadonlySet<M> | undefined {
    return this.#members.get(topic);
  }
}
