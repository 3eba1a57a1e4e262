import {
  Fault,
  isFault,
  requireSignatureNotRevoked,
  type VerifiedSigstoreBundle,
  verifySigstoreBundle,
} from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { readArtifact } from './artifact.ts';
import { policyOf } from './policy.ts';
import { readRevocations } from './revocations.ts';
import { readBundle, readTrustedRoot } from './trust.ts';

/** Named and spelled as the public client conformance suite calls it (its docs/cli_protocol.md). */
export const sigstoreVerifyBundle: Command = {
  name: ['sigstore', 'verify-bundle'],
  summary: 'verify what anybody signed with Sigstore: no server, no network',
  more: [
    'Without --trusted-root the file in SALLYPORT_TRUSTED_ROOT is believed (with --staging the one in',
    'SALLYPORT_STAGING_TRUSTED_ROOT); nothing is fetched. An identity needs its issuer: anybody can',
    'have a name vouched for by an issuer of their own. A pattern must match the whole value.',
  ],
  args: [{ name: 'FILE_OR_DIGEST', doc: 'what was signed: a file, or sha256: and 64 hexadecimal digits' }],
  flags: {
    bundle: { type: 'string', value: 'FILE', doc: 'the bundle; without it FILE.sigstore.json' },
    'certificate-identity': {
      type: 'string',
      value: 'NAME',
      doc: 'the subject alternative name that must have signed',
    },
    'certificate-identity-regexp': { type: 'string', value: 'PATTERN', doc: 'the same, as a pattern' },
    'certificate-oidc-issuer': { type: 'string', value: 'URL', doc: 'who vouched for the name' },
    'certificate-oidc-issuer-regexp': { type: 'string', value: 'PATTERN', doc: 'the same, as a pattern' },
    key: {
      type: 'string',
      value: 'FILE',
      doc: 'the public key that must have signed, in PEM, in place of an identity',
    },
    'trusted-root': {
      type: 'string',
      value: 'FILE',
      doc: 'trusted_root.json: the authorities and logs to believe',
    },
    revocations: {
      type: 'string',
      value: 'FILE',
      doc: 'also refuse what this list withdraws (see sally revocations list)',
    },
    'trust-root': {
      type: 'string',
      value: 'FILE',
      doc: 'the trust root of the installation whose list it is',
    },
    staging: { type: 'boolean', doc: 'believe the trusted root for Sigstore\u2019s staging instance' },
  },
  examples: [
    'sally sigstore verify-bundle app --certificate-identity ci@shop.example --certificate-oidc-issuer https://x.io',
    'sally sigstore verify-bundle --bundle app.sigstore.json --key release.pub --trusted-root trusted_root.json app.tar',
  ],
  run: async ({ arg, flag, on, out, settings }) => {
    const policy = policyOf(flag);
    const bundle = readBundle(flag('bundle') ?? `${arg(0)}.sigstore.json`);
    const trustedRoot = readTrustedRoot(flag('trusted-root'), on('staging'), settings.env);
    const list = readRevocations(flag('revocations'), flag('trust-root'));
    const done = out.progress(`reading ${arg(0)}`);
    const artifact = await readArtifact(arg(0)).finally(done);
    try {
      const verified = verifySigstoreBundle({ bundle, trustedRoot, artifact, policy });
      if (list !== undefined) requireSignatureNotRevoked(list, verified, bundle, trustedRoot);
      out.data(summary(verified), () => render(verified));
    } catch (error) {
      for (const reason of reasons(error)) out.note(`because: ${reason}`);
      throw error;
    }
    return undefined;
  },
};

/** What lies behind a refusal, outermost first. */
function reasons(error: unknown): readonly string[] {
  const found: string[] = [];
  let cause = isFault(error) ? error.cause : undefined;
  while (cause instanceof Fault && found.length < 5) {
    found.push(cause.message);
    cause = cause.cause;
  }
  return found;
}

function summary({ identity, artifact, statement, times, entries }: VerifiedSigstoreBundle): object {
  return {
    verified: true,
    artifact,
    signer:
      identity === undefined
        ? { kind: 'key' }
        : {
            kind: identity.kind,
            name: identity.name,
            issuer: identity.issuer ?? null,
            claims: identity.claims,
          },
    times: times.map(({ at, by }) => ({ at: new Date(at).toISOString(), by })),
    entries,
    ...(statement === undefined
      ? {}
      : { statement: { predicateType: statement.predicateType, subject: statement.subjectName } }),
  };
}

function render({ identity, artifact, statement, times, entries }: VerifiedSigstoreBundle): string {
  return [
    `verified ${artifact}`,
    identity === undefined
      ? 'signed by the given key'
      : `signed by ${identity.name}, for whom ${identity.issuer ?? 'nobody'} vouches`,
    ...times.map(({ at, by }) => `at ${new Date(at).toISOString()}, says a ${by}`),
    ...entries.map(({ log, logIndex, kind }) => `logged by ${log} as entry ${logIndex} (${kind})`),
    ...(statement === undefined
      ? []
      : [`statement ${statement.predicateType} about ${statement.subjectName}`]),
  ].join('\n');
}
