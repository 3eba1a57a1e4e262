import { type DerNode, derFault } from './parse.ts';
import { contextTag, tagName, tags } from './tags.ts';

/** The members of a SEQUENCE or SET, taken in the order of its definition. */
export interface DerFields {
  /** The next member, which must have `tag`, or any tag when none is given. */
  take(what: string, tag?: number): DerNode;
  /** The next member when it has `tag`, else undefined: OPTIONAL and DEFAULT. */
  maybe(tag: number): DerNode | undefined;
  /** All members that are left. */
  rest(): readonly DerNode[];
  /** Throws when members are left: nobody would check them. */
  end(): void;
}

/** Opens `node`, which must be a SEQUENCE (or have `tag`), to take its members one by one. */
export function derFields(node: DerNode, what: string, tag: number = tags.sequence): DerFields {
  expectTag(node, what, tag);
  let at = 0;
  const maybe = (wanted: number): DerNode | undefined => {
    const next = node.children[at];
    if (next?.tag !== wanted) return undefined;
    at++;
    return next;
  };
  return {
    take: (member, wanted) => {
      const next = node.children[at];
      if (next === undefined) throw derFault(node.offset, `${member} in ${what}`, 'the end');
      if (wanted !== undefined) expectTag(next, member, wanted);
      at++;
      return next;
    },
    maybe,
    rest: () => node.children.slice(at),
    end: () => {
      const next = node.children[at];
      if (next !== undefined) throw derFault(next.offset, `the end of ${what}`, tagName(next.tag));
    },
  };
}

/** Throws unless `node` has `tag`. */
export function expectTag(node: DerNode, what: string, tag: number): DerNode {
  if (node.tag !== tag) throw derFault(node.offset, `${what} as ${tagName(tag)}`, tagName(node.tag));
  return node;
}

/** The one element inside an EXPLICIT context tag. */
export function derExplicit(node: DerNode, what: string, number: number): DerNode {
  const fields = derFields(node, what, contextTag(number, true));
  const inner = fields.take(what);
  fields.end();
  return inner;
}
