import type { EgressRecord, Material } from '@sallyport/contract';
import { canonicalJson, type Digest, digestHex, digestOf, utf8 } from '@sallyport/formats';
import { compareText, type Examined } from './compare.ts';

export interface CycloneDxComponent {
  readonly type: 'container' | 'library' | 'application' | 'platform' | 'operating-system';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly scope?: 'required' | 'optional' | 'excluded';
  readonly hashes?: readonly { readonly alg: 'SHA-256' | 'SHA-512'; readonly content: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/** The part of CycloneDX 1.6 that we write (ECMA-424, bom-1.6.schema.json). */
export interface CycloneDx {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.6';
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: {
    readonly timestamp: string;
    readonly tools: {
      readonly components: readonly { type: 'application'; name: string; 'bom-ref': string }[];
    };
    readonly component: CycloneDxComponent;
  };
  readonly components: readonly CycloneDxComponent[];
  readonly compositions: readonly {
    readonly aggregate: 'complete' | 'incomplete';
    readonly assemblies: readonly string[];
  }[];
}

interface SbomInput {
  readonly artifact: { readonly name: string; readonly digest: Digest; readonly files?: readonly string[] };
  readonly packages: readonly Examined[];
  readonly materials: readonly Material[];
  readonly egress: readonly EgressRecord[];
  readonly commitEpochSeconds: number;
  readonly complete: boolean;
}

/** Deterministic: sorted, the commit's time, and a serial number made of the content. */
export function makeSbom(input: SbomInput): CycloneDx {
  const root = `artifact@${input.artifact.digest}`;
  const files = input.artifact.files === undefined ? undefined : new Set(input.artifact.files);
  const components = [
    ...input.packages.map((each) => packageComponent(each, files)),
    ...input.materials.filter((material) => material.kind !== 'source').map(materialComponent),
  ];
  const unique = new Map(components.map((component) => [component['bom-ref'], component]));
  const content = {
    metadata: {
      timestamp: new Date(input.commitEpochSeconds * 1000).toISOString(),
      tools: { components: [{ type: 'application', name: 'sallyport', 'bom-ref': 'tool/sallyport' }] },
      component: {
        type: 'container',
        'bom-ref': root,
        name: input.artifact.name,
        version: input.artifact.digest,
        hashes: [{ alg: 'SHA-256', content: digestHex(input.artifact.digest) }],
      },
    },
    components: [...unique.values()].sort((a, b) => compareText(a['bom-ref'], b['bom-ref'])),
    compositions: [{ aggregate: input.complete ? 'complete' : 'incomplete', assemblies: [root] }],
  } as const;
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: uuidOf(canonicalJson(content)),
    version: 1,
    ...content,
  };
}

function packageComponent(each: Examined, files: ReadonlySet<string> | undefined): CycloneDxComponent {
  const inArtifact =
    files === undefined ? undefined : each.paths.some((path) => containsPackage(files, path));
  const properties = [
    { name: 'sallyport:lock', value: each.locked ? 'present' : 'absent' },
    { name: 'sallyport:fetched', value: String(each.fetched) },
    { name: 'sallyport:verified', value: String(each.verified) },
    ...(inArtifact === undefined ? [] : [{ name: 'sallyport:in-artifact', value: String(inArtifact) }]),
  ];
  const excluded = inArtifact === false || (inArtifact === undefined && each.dev);
  return {
    type: 'library',
    'bom-ref': each.purl,
    name: each.name,
    version: each.version,
    purl: each.purl,
    scope: excluded ? 'excluded' : each.optional && inArtifact !== true ? 'optional' : 'required',
    ...(each.sha512 === undefined ? {} : { hashes: [{ alg: 'SHA-512', content: each.sha512 }] }),
    properties,
  };
}

/** The image holds the workspace below a folder (`app/`), so a package is found by the end of the path. */
function containsPackage(files: ReadonlySet<string>, path: string): boolean {
  const manifest = `${path}/package.json`;
  return files.has(manifest) || files.has(`app/${manifest}`) || files.has(`/app/${manifest}`);
}

const materialTypes = {
  base: 'container',
  tool: 'application',
  runtime: 'platform',
  'host-library': 'library',
  'host-system': 'operating-system',
  source: 'application',
} as const;

function materialComponent(material: Material): CycloneDxComponent {
  const { sha256, sha512 } = { sha256: material.digest['sha256'], sha512: material.digest['sha512'] };
  return {
    type: materialTypes[material.kind],
    'bom-ref': `${material.kind}/${material.uri}`,
    name: material.name ?? material.uri,
    ...(material.uri.startsWith('pkg:') ? { purl: material.uri } : {}),
    scope: material.kind === 'tool' ? 'excluded' : 'required',
    hashes: [
      ...(sha256 === undefined ? [] : [{ alg: 'SHA-256', content: sha256 } as const]),
      ...(sha512 === undefined ? [] : [{ alg: 'SHA-512', content: sha512 } as const]),
    ],
    properties: [{ name: 'sallyport:material', value: material.kind }],
  };
}

/** A version 8 UUID (RFC 9562 section 5.8) of a text's SHA-256, as CycloneDX wants its serial numbers. */
function uuidOf(text: string): string {
  const hex = digestHex(digestOf(utf8(text)))
    .slice(0, 32)
    .split('');
  hex[12] = '8';
  hex[16] = '89ab'[Number.parseInt(hex[16] ?? '0', 16) & 3] ?? '8';
  const joined = hex.join('');
  const parts = [
    joined.slice(0, 8),
    joined.slice(8, 12),
    joined.slice(12, 16),
    joined.slice(16, 20),
    joined.slice(20),
  ];
  return `urn:uuid:${parts.join('-')}`;
}
