import { fromUtf8, utf8 } from '../bytes/bytes.ts';
import { type Digest, digestHex, parseDigest } from '../bytes/digest.ts';
import { canonicalJson, parseCanonicalJson } from '../json/canonical.ts';
import { closed, list, oneOf, plainObject, type Shape, text, uri } from '../json/shape.ts';

export const statementType = 'https://in-toto.io/Statement/v1';

/** An in-toto Statement v1 about exactly one subject, known by its SHA-256 digest. */
export interface Statement<P = Readonly<Record<string, unknown>>> {
  readonly subject: { readonly name: string; readonly digest: Digest };
  readonly predicateType: string;
  readonly predicate: P;
}

interface StatementJson {
  readonly _type: string;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
}

const readStatement: Shape<StatementJson> = closed<StatementJson>(
  {
    _type: oneOf(statementType),
    subject: list(
      closed<StatementJson['subject'][number]>(
        {
          name: text(500),
          digest: closed<{ readonly sha256: string }>({ sha256: text(64, /^[0-9a-f]{64}$/) }, {}),
        },
        {},
      ),
      // More than one subject would let one verdict travel with another artifact.
      1,
      1,
    ),
    predicateType: uri,
    predicate: plainObject,
  },
  {},
);

/** The canonical bytes of a statement: what goes into the envelope. */
export function statementBytes(statement: Statement<object>): Uint8Array {
  const { name, digest } = statement.subject;
  return utf8(
    canonicalJson({
      _type: statementType,
      subject: [{ name, digest: { sha256: digestHex(digest) } }],
      predicateType: statement.predicateType,
      predicate: statement.predicate,
    }),
  );
}

/** Reads a statement in canonical form, with exactly one subject. The predicate's own shape is not checked here. */
export function parseStatement(bytes: Uint8Array): Statement {
  const json = readStatement(parseCanonicalJson(fromUtf8(bytes)), 'statement');
  const [subject] = json.subject;
  // The list has exactly one item by its shape.
  const { name, digest } = subject as StatementJson['subject'][number];
  return {
    subject: { name, digest: parseDigest(`sha256:${digest.sha256}`) },
    predicateType: json.predicateType,
    predicate: json.predicate,
  };
}
