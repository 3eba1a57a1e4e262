import { fromUtf8 } from '../bytes/bytes.ts';
import { type Digest, digestHex, digestOf } from '../bytes/digest.ts';
import { toHex } from '../bytes/encodings.ts';
import { sha2 } from '../crypto/sha256.ts';
import { inTotoPayloadType } from '../dsse/envelope.ts';
import { list, oneOf, open, plainObject, record, text, uri } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import type { BundleContent } from './document.ts';
import type { SigstorePolicy } from './policy.ts';
import { refusal } from './refusal.ts';
import type { Artifact } from './signed-content.ts';

/** An in-toto statement of anybody: what it says, and about which of its subjects it was asked. */
export interface ForeignStatement {
  readonly type: string;
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
  /** Name of the subject that the artifact is; empty when the statement gives none. */
  readonly subjectName: string;
  readonly subjects: number;
}

interface Subject {
  readonly name?: string;
  readonly digest: Readonly<Record<string, string>>;
}

interface StatementJson {
  readonly _type: string;
  readonly subject: readonly Subject[];
  readonly predicateType: string;
  readonly predicate?: Readonly<Record<string, unknown>>;
}

const statementShape = open<StatementJson>(
  {
    _type: oneOf('https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'),
    subject: list(
      open<Subject>({ digest: record(text(256, /^[\x21-\x7e]+$/), 16) }, { name: text(2000) }),
      1024,
      1,
    ),
    predicateType: uri,
  },
  { predicate: plainObject },
);

/**
 * Reads the envelope's statement, which must be about the artifact: every SHA-2 digest of the subject that can be
 * computed must be the artifact's, and at least one must. Of an artifact that is known by its digest that is SHA-256.
 */
export function statementAbout(
  content: BundleContent & { kind: 'envelope' },
  artifact: Artifact,
  subjects: SigstorePolicy['subjects'],
): ForeignStatement {
  if (content.payloadType !== inTotoPayloadType) {
    throw refusal('artifact', 'an in-toto statement', JSON.stringify(content.payloadType));
  }
  const statement = statementShape(
    parseStrictJson(fromUtf8(content.payload), { maxBytes: 8 << 20 }),
    'statement',
  );
  if (statement.subject.length > 1 && subjects !== 'many') {
    throw refusal('artifact', 'a statement about one subject', `${statement.subject.length} subjects`);
  }
  const known = knownDigests(artifact);
  const subject = statement.subject.find(({ digest }) => isDigest(digest, known));
  if (subject === undefined)
    throw refusal('artifact', 'a statement about the artifact', 'one about something else');
  return {
    type: statement._type,
    predicateType: statement.predicateType,
    predicate: statement.predicate ?? {},
    subjectName: subject.name ?? '',
    subjects: statement.subject.length,
  };
}

/** Names of in-toto's DigestSet to the digests of the artifact, each computed when a subject names it. */
function knownDigests(artifact: Artifact): (name: string) => string | undefined {
  const found = new Map([['sha256', digestHex(digestOfArtifact(artifact))]]);
  return (name) => {
    if ('bytes' in artifact && !found.has(name) && (name === 'sha384' || name === 'sha512')) {
      found.set(name, toHex(sha2(name, artifact.bytes)));
    }
    return found.get(name);
  };
}

function isDigest(named: Subject['digest'], known: (name: string) => string | undefined): boolean {
  const compared = Object.entries(named).flatMap(([name, value]) => {
    const own = known(name);
    return own === undefined ? [] : [own === value];
  });
  return compared.length > 0 && !compared.includes(false);
}

/** SHA-256 of the artifact. */
export function digestOfArtifact(artifact: Artifact): Digest {
  return 'digest' in artifact ? artifact.digest : digestOf(artifact.bytes);
}
