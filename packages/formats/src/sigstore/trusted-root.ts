import { equalBytes } from '../bytes/bytes.ts';
import { readVerifyingKey, spkiOfPkcs1, type VerifyingKey } from '../crypto/verifying-key.ts';
import { Fault } from '../fault.ts';
import { list, oneOf, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import type { TimestampAuthority } from '../timestamp/verify.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { bytes, message, timestamp } from './protobuf-json.ts';

/** When something is believed, in milliseconds since 1970; both ends belong to it. */
export interface Period {
  readonly start: number;
  readonly end?: number;
}

/** A log that is believed: of signatures (Rekor) or of certificates (CT). */
export interface SigstoreLog {
  /** Host of the log's address, with the port when one is named: how checkpoints name it. */
  readonly host: string;
  readonly hostname: string;
  readonly key: VerifyingKey;
  readonly keyId: Uint8Array;
  /** The first four bytes of the id that its checkpoints name; it may be another than `keyId`. */
  readonly keyHash: Uint8Array;
  readonly period: Period;
}

export interface SigstoreAuthority extends TimestampAuthority {
  /** From the issuing authority, or the signing certificate of a timestamp authority, to the root. */
  readonly chain: readonly Certificate[];
  readonly period: Period;
}

/** What a verifier of Sigstore bundles believes: `trusted_root.json`. */
export interface SigstoreTrustedRoot {
  readonly logs: readonly SigstoreLog[];
  readonly ctLogs: readonly SigstoreLog[];
  readonly authorities: readonly SigstoreAuthority[];
  readonly timestampAuthorities: readonly SigstoreAuthority[];
}

interface LogJson {
  readonly baseUrl: string;
  readonly hashAlgorithm: 'SHA2_256';
  readonly publicKey: {
    readonly rawBytes: Uint8Array;
    readonly keyDetails: string;
    readonly validFor: Period;
  };
  readonly logId: { readonly keyId: Uint8Array };
  readonly checkpointKeyId?: { readonly keyId: Uint8Array };
}

interface AuthorityJson {
  readonly certChain: { readonly certificates: readonly { readonly rawBytes: Uint8Array }[] };
  readonly validFor: Period;
}

interface RootJson {
  readonly mediaType: string;
  readonly tlogs?: readonly LogJson[];
  readonly ctlogs?: readonly LogJson[];
  readonly certificateAuthorities?: readonly AuthorityJson[];
  readonly timestampAuthorities?: readonly AuthorityJson[];
}

/** Without a start a key would be believed for the time before it existed, when somebody else may have held its name. */
const period: Shape<Period> = message<{ start: number }, { end: number }>(
  { start: timestamp },
  { end: timestamp },
);

const logShape: Shape<LogJson> = message<
  Omit<LogJson, 'checkpointKeyId'>,
  Required<Pick<LogJson, 'checkpointKeyId'>>
>(
  {
    baseUrl: text(2000),
    hashAlgorithm: oneOf('SHA2_256'),
    publicKey: message<LogJson['publicKey']>({
      rawBytes: bytes(4096),
      keyDetails: text(60, /^[A-Z0-9_]+$/),
      validFor: period,
    }),
    logId: message<LogJson['logId']>({ keyId: bytes(32) }),
  },
  { checkpointKeyId: message<LogJson['logId']>({ keyId: bytes(32) }) },
);

const authorityShape: Shape<AuthorityJson> = message<AuthorityJson>({
  certChain: message<AuthorityJson['certChain']>({
    certificates: list(message<{ rawBytes: Uint8Array }>({ rawBytes: bytes(32_768) }), 10, 1),
  }),
  validFor: period,
});

const rootShape: Shape<RootJson> = message<
  Pick<RootJson, 'mediaType'>,
  Required<Omit<RootJson, 'mediaType'>>
>(
  { mediaType: oneOf('application/vnd.dev.sigstore.trustedroot+json;version=0.1') },
  {
    tlogs: list(logShape, 64),
    ctlogs: list(logShape, 64),
    certificateAuthorities: list(authorityShape, 64),
    timestampAuthorities: list(authorityShape, 64),
  },
);

/**
 * Reads `trusted_root.json`, version 0.1, the only one that clients take. Each log and authority must say from when on
 * it is believed. Read it once and keep it: keys are imported here.
 */
export function parseSigstoreTrustedRoot(json: string): SigstoreTrustedRoot {
  const root = rootShape(parseStrictJson(json), 'trusted root');
  return {
    logs: readLogs(root.tlogs ?? []),
    ctLogs: readLogs(root.ctlogs ?? []),
    authorities: (root.certificateAuthorities ?? []).map(readAuthority),
    timestampAuthorities: (root.timestampAuthorities ?? []).map(readAuthority),
  };
}

/** Whether `at`, in milliseconds since 1970, belongs to the period. */
export function within({ start, end }: Period, at: number): boolean {
  return at >= start && (end === undefined || at <= end);
}

function readLogs(logs: readonly LogJson[]): readonly SigstoreLog[] {
  const found = logs.map(readLog);
  found.forEach((log, index) => {
    // Two keys with one id would leave it to their order which one is asked.
    const twin = found.findIndex(({ keyId }) => equalBytes(keyId, log.keyId));
    if (twin !== index) throw refused('logs with ids of their own');
  });
  return found;
}

function readLog({ baseUrl, publicKey, logId, checkpointKeyId }: LogJson): SigstoreLog {
  const url = URL.parse(baseUrl);
  if (url === null || url.host === '') throw refused('a base URL with a host');
  const pkcs1 = publicKey.keyDetails.startsWith('PKCS1_');
  const key = readVerifyingKey(pkcs1 ? spkiOfPkcs1(publicKey.rawBytes) : publicKey.rawBytes);
  return {
    host: url.host,
    hostname: url.hostname,
    key,
    keyId: logId.keyId,
    keyHash: (checkpointKeyId ?? logId).keyId.slice(0, 4),
    period: publicKey.validFor,
  };
}

function readAuthority({ certChain, validFor }: AuthorityJson): SigstoreAuthority {
  return {
    chain: certChain.certificates.map(({ rawBytes }) => parseCertificate(rawBytes)),
    period: validFor,
  };
}

function refused(expected: string): Fault {
  return new Fault(
    'invalid',
    'formats.trusted_root',
    `expected a trusted root with ${expected}, got another`,
  );
}
