import {
  instant,
  list,
  oneOf,
  open,
  plainObject,
  record,
  type Shape,
  shapeFault,
  text,
  uri,
} from '../json/shape.ts';
import { type ResourceDescriptor, resourceDescriptor } from './fields.ts';

/**
 * Statements that others make and we carry: what a standard asks for is checked, further members are allowed where it
 * tells readers to pass over them. Documents (SPDX) are given back whole, as they are read again by other tools.
 */

type Rest = Readonly<Record<string, unknown>>;

/** The parts of an SPDX 2.x document that are checked (ISO/IEC 5962, clause 6 and 7). */
export interface Spdx2 extends Rest {
  readonly spdxVersion: string;
  readonly SPDXID: 'SPDXRef-DOCUMENT';
  readonly dataLicense: 'CC0-1.0';
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] };
  readonly packages?: readonly {
    readonly SPDXID: string;
    readonly name: string;
    readonly downloadLocation: string;
  }[];
}

const spdxId = text(500, /^SPDXRef-[A-Za-z0-9.-]+$/);
const spdx2Head = open<Omit<Spdx2, 'packages'>>(
  {
    spdxVersion: text(10, /^SPDX-2\.[0-9]$/),
    SPDXID: oneOf('SPDXRef-DOCUMENT'),
    dataLicense: oneOf('CC0-1.0'),
    name: text(1000),
    documentNamespace: text(2000, /^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x22\x24-\x7e]+$/),
    creationInfo: open<Spdx2['creationInfo']>({ created: instant, creators: list(text(500), 100, 1) }, {}),
  },
  {},
);
const spdx2Packages = list(
  open<NonNullable<Spdx2['packages']>[number]>(
    { SPDXID: spdxId, name: text(1000), downloadLocation: text(2000) },
    {},
  ),
  100_000,
);

export const spdx2Shape: Shape<Spdx2> = (value, at) => {
  const document = plainObject(value, at);
  spdx2Head(document, at);
  if (Object.hasOwn(document, 'packages')) spdx2Packages(document['packages'], `${at}.packages`);
  // Its checked members have just been read; the index signature says that the others are unknown.
  return document as Spdx2;
};

/** The parts of an SPDX 3 document (JSON-LD) that are checked: each element has a type, and at most one is the document. */
export interface Spdx3 extends Rest {
  readonly '@context': string;
  readonly '@graph': readonly (Rest & { readonly type: string; readonly spdxId?: string })[];
}

const spdx3Element = open<{ readonly type: string; readonly spdxId?: string }>(
  { type: text(200) },
  { spdxId: text(2000) },
);

export const spdx3Shape: Shape<Spdx3> = (value, at) => {
  const document = plainObject(value, at);
  text(200, /^https:\/\/spdx\.org\/rdf\/3\.[0-9]+(?:\.[0-9]+)?\/spdx-context\.jsonld$/)(
    document['@context'],
    `${at}.@context`,
  );
  const elements = list(spdx3Element, 200_000, 1)(document['@graph'], `${at}.@graph`);
  if (elements.filter(({ type }) => type === 'SpdxDocument').length > 1)
    throw shapeFault(`${at}.@graph`, 'one SpdxDocument', elements.length);
  // As above.
  return document as Spdx3;
};

/** The type without a version stands for any: the document itself says which. */
export const spdxShape: Shape<Spdx2 | Spdx3> = (value, at) =>
  Object.hasOwn(plainObject(value, at), '@context') ? spdx3Shape(value, at) : spdx2Shape(value, at);

/** in-toto vulns v0.2: what one scanner found in the subject. An empty result says that it found nothing. */
export interface Vulns {
  readonly scanner: {
    readonly uri: string;
    readonly version?: string;
    readonly db: { readonly uri?: string; readonly version?: string; readonly lastUpdate: string };
    readonly result: readonly {
      readonly id: string;
      readonly severity: readonly { readonly method: string; readonly score: string }[];
      readonly annotations?: readonly Readonly<Record<string, unknown>>[];
    }[];
  };
  readonly metadata: { readonly scanStartedOn: string; readonly scanFinishedOn: string };
}

const any: Shape<unknown> = (value) => value;

export const vulnsShape: Shape<Vulns> = open<Vulns>(
  {
    scanner: open<Vulns['scanner']>(
      {
        uri,
        db: open<Vulns['scanner']['db']>({ lastUpdate: instant }, { uri: text(2000), version: text(200) }),
        result: list(
          open<Vulns['scanner']['result'][number]>(
            {
              id: text(200, /\S/),
              severity: list(
                open<{ readonly method: string; readonly score: string }>(
                  { method: text(200, /\S/), score: text(200, /\S/) },
                  {},
                ),
                50,
              ),
            },
            { annotations: list(record(any, 100), 100) },
          ),
          50_000,
        ),
      },
      { version: text(200) },
    ),
    metadata: open<Vulns['metadata']>({ scanStartedOn: instant, scanFinishedOn: instant }, {}),
  },
  {},
);

/** in-toto release v0.1: the subject is this version of this package. */
export interface ReleaseOfPackage {
  readonly purl: string;
  readonly packageId?: string;
}

export const releaseShape: Shape<ReleaseOfPackage> = open<ReleaseOfPackage>(
  // The version, which a purl may leave out, is required here.
  { purl: text(2000, /^pkg:[a-z][a-z0-9.+-]*\/[\x21-\x7e]*[^@/\s]@[\x21-\x7e]+$/) },
  { packageId: text(500) },
);

/** in-toto runtime-trace v0.1: what a monitor saw while the subject was made. */
export interface RuntimeTrace {
  readonly monitor: {
    readonly type: string;
    readonly configSource?: ResourceDescriptor;
    readonly tracePolicy?: Readonly<Record<string, unknown>>;
  };
  readonly monitoredProcess: { readonly hostID: string; readonly type: string; readonly event: string };
  readonly monitorLog: {
    readonly process?: readonly Readonly<Record<string, unknown>>[];
    readonly network?: readonly Readonly<Record<string, unknown>>[];
    readonly fileAccess?: readonly ResourceDescriptor[];
  };
  readonly metadata?: { readonly buildStartedOn?: string; readonly buildFinishedOn?: string };
}

const monitorLog = open<RuntimeTrace['monitorLog']>(
  {},
  {
    process: list(plainObject, 100_000),
    network: list(plainObject, 100_000),
    fileAccess: list(resourceDescriptor, 100_000),
  },
);

export const runtimeTraceShape: Shape<RuntimeTrace> = open<RuntimeTrace>(
  {
    monitor: open<RuntimeTrace['monitor']>(
      { type: uri },
      { configSource: resourceDescriptor, tracePolicy: plainObject },
    ),
    monitoredProcess: open<RuntimeTrace['monitoredProcess']>(
      { hostID: uri, type: uri, event: text(1000) },
      {},
    ),
    monitorLog: (value, at) => {
      const read = monitorLog(value, at);
      if (Object.keys(read).length === 0) throw shapeFault(at, 'process, network or fileAccess', value);
      return read;
    },
  },
  {
    metadata: open<NonNullable<RuntimeTrace['metadata']>>(
      {},
      { buildStartedOn: instant, buildFinishedOn: instant },
    ),
  },
);
