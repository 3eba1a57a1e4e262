import { Fault } from '../fault.ts';
import { closed, instant, integer, list, oneOf, open, record, type Shape, text, uri } from '../json/shape.ts';
import { builderVersion, type DigestSet, digestSet, sentence } from './fields.ts';
import type { Place } from './types.ts';

/** What one gate said. Our extension of the VSA, under a vendor-prefixed name as SLSA asks for. */
export interface GateResult {
  readonly name: string;
  readonly result: 'pass' | 'refuse';
  readonly reason?: string;
  readonly fix?: string;
}

/** SLSA verification summary v1: a verdict. */
export interface Verdict {
  readonly verifier: { readonly id: string; readonly version?: Readonly<Record<string, string>> };
  readonly timeVerified: string;
  /** For our verdicts: `placeUri` of where the subject may go. */
  readonly resourceUri: string;
  readonly policy: { readonly uri: string; readonly digest?: DigestSet };
  /** The bundles that were judged, by the SHA-256 of their text. */
  readonly inputAttestations?: readonly { readonly uri?: string; readonly digest: DigestSet }[];
  readonly verificationResult: 'PASSED' | 'FAILED';
  readonly verifiedLevels: readonly string[];
  readonly dependencyLevels?: Readonly<Record<string, number>>;
  readonly slsaVersion?: string;
  readonly sallyport_gates?: readonly GateResult[];
}

export const verdictShape: Shape<Verdict> = open<Verdict>(
  {
    verifier: open<Verdict['verifier']>({ id: uri }, { version: builderVersion }),
    timeVerified: instant,
    resourceUri: uri,
    policy: open<Verdict['policy']>({ uri }, { digest: digestSet }),
    verificationResult: oneOf('PASSED', 'FAILED'),
    verifiedLevels: list(text(100), 50),
  },
  {
    inputAttestations: list(
      open<{ readonly uri?: string; readonly digest: DigestSet }>({ digest: digestSet }, { uri: text(2000) }),
      10_000,
    ),
    dependencyLevels: record(integer(0), 50),
    slsaVersion: text(20),
    sallyport_gates: list(
      closed<GateResult>(
        { name: text(100), result: oneOf('pass', 'refuse') },
        { reason: sentence, fix: sentence },
      ),
      200,
    ),
  },
);

/** The `resourceUri` of verdicts about a service in an environment. */
export function placeUri({ project, environment, service }: Place): string {
  const uriText = `sallyport:projects/${project}/environments/${environment}/services/${service}`;
  parsePlaceUri(uriText);
  return uriText;
}

export function parsePlaceUri(text: string): Place {
  const word = '([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)';
  const form = new RegExp(`^sallyport:projects/${word}/environments/${word}/services/${word}$`);
  const [, project, environment, service] = form.exec(text) ?? [];
  if (project === undefined || environment === undefined || service === undefined) {
    throw new Fault(
      'invalid',
      'formats.place_uri',
      `expected "sallyport:projects/…/environments/…/services/…", got ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  return { project, environment, service };
}
