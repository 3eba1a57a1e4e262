import { describeRevocation, Fault, parseDigest, type RevocationTarget } from '@sallyport/formats';
import type { Argument, Command, Flag, Invocation } from '../../command.ts';
import { connect, digestOf, projectFlag } from '../../connect.ts';

const reasonFlag = {
  reason: { type: 'string', short: 'm', value: 'TEXT', doc: 'why; everybody who is refused reads it' },
} as const;
const fromFlag = {
  from: {
    type: 'string',
    value: 'TIME',
    doc: 'withdraw only what was signed at or after it (2026-11-20T10:00:00Z); everything without it',
  },
} as const;
const effects = [
  'From now on the gates refuse it everywhere, and agents refuse it as soon as they hold the new list: they start',
  'nothing of it any more, and stop what runs unless its environment says revoked: report. It cannot be undone in',
  'silence: sally revocations restore ends it for what is signed later.',
];
const listed = [
  'It is put on the signed list for verifiers of signatures by certificate (sally sigstore verify-bundle --revocations).',
  'The evidence of this installation is signed by a key of its own, so its gates and agents ask for digests and',
  'builders: revoke those to stop what runs here.',
];

interface Kind {
  readonly word: string;
  readonly summary: string;
  readonly args: readonly Argument[];
  readonly flags?: Readonly<Record<string, Flag>>;
  readonly examples: readonly string[];
  /** What it brings about. */
  readonly more: readonly string[];
  target(invocation: Invocation): RevocationTarget | Promise<RevocationTarget>;
}

function command({ word, summary, args, flags, examples, more, target }: Kind): Command {
  return {
    name: ['revoke', word],
    summary,
    more,
    args,
    flags: { ...reasonFlag, ...flags },
    examples,
    run: async (invocation) => {
      const reason = reasonOf(invocation);
      const client = connect(invocation);
      const entry = await client.revocations.revoke(
        await target(invocation),
        reason,
        invocation.flag('from'),
      );
      invocation.out.data(entry, () => describeRevocation(entry));
      invocation.out.note(
        'sally status shows which environments refuse it; sally why DIGEST ENVIRONMENT says why',
      );
      return undefined;
    },
  };
}

function reasonOf(invocation: Invocation): string {
  const reason = invocation.flag('reason')?.trim() ?? '';
  if (reason !== '') return reason;
  throw new Fault('invalid', 'cli.usage', 'expected --reason, got nothing', {
    hint: 'whoever is refused must learn why: --reason "its key was copied"',
  });
}

export const revokeDigest = command({
  word: 'digest',
  more: effects,
  summary: 'withdraw an image everywhere, whatever its evidence says',
  args: [{ name: 'DIGEST', doc: 'sha256:… or the first six or more of its digits' }],
  flags: projectFlag,
  examples: ['sally revoke digest 4f8a12c9 --reason "it ships a stolen token"'],
  target: async (invocation) => ({
    kind: 'digest',
    digest: parseDigest(await digestOf(invocation, connect(invocation), invocation.arg(0))),
  }),
});

export const revokeBuilder = command({
  word: 'builder',
  more: effects,
  summary: 'withdraw what a builder built, by the builder.id of its provenance',
  args: [{ name: 'BUILDER', doc: 'the builder.id; that of this installation stands in its trust root' }],
  flags: fromFlag,
  examples: [
    'sally revoke builder https://sallyport.dev/installations/sallyport/builder/v1 -m "host taken over"',
  ],
  target: ({ arg }) => ({ kind: 'builder', builder: arg(0) }),
});

export const revokeIdentity = command({
  word: 'identity',
  more: listed,
  summary: 'withdraw what an identity signed: the name in its certificates, and their OIDC issuer',
  args: [
    { name: 'SUBJECT', doc: 'the subject alternative name, as it stands in the certificate' },
    { name: 'ISSUER', doc: 'the OIDC issuer in the certificate' },
  ],
  flags: fromFlag,
  examples: [
    'sally revoke identity ci@shop.example https://issuer.example -m "account taken over" --from 2026-11-19T08:00:00Z',
  ],
  target: ({ arg }) => ({ kind: 'identity', subject: arg(0), issuer: arg(1) }),
});

export const revokeCertificate = command({
  word: 'certificate',
  more: listed,
  summary: 'withdraw what a certificate signed, by its fingerprint or by serial number and issuing key',
  args: [{ name: 'FINGERPRINT', optional: true, doc: 'SHA-256 of the certificate (DER), hexadecimal' }],
  flags: {
    ...fromFlag,
    serial: { type: 'string', value: 'HEX', doc: 'its serial number instead; needs --issuer-key' },
    'issuer-key': { type: 'string', value: 'HEX', doc: 'SHA-256 of the public key (SPKI) of the authority' },
  },
  examples: [
    'sally revoke certificate 3b1f…9a -m "key found in a log"',
    'sally revoke certificate --serial 7f21 --issuer-key 9c0e…11 -m "key found in a log"',
  ],
  target: ({ args, flag }) => {
    const [serial, issuerKey] = [flag('serial'), flag('issuer-key')];
    const [fingerprint] = args;
    if (fingerprint !== undefined && serial === undefined && issuerKey === undefined)
      return { kind: 'certificate', fingerprint: plainHex(fingerprint) };
    if (fingerprint === undefined && serial !== undefined && issuerKey !== undefined) {
      const digits = plainHex(serial).replace(/^0+(?=.)/, '');
      return { kind: 'serial', serial: digits, issuerKey: plainHex(issuerKey) };
    }
    throw new Fault('invalid', 'cli.usage', 'expected FINGERPRINT, or --serial with --issuer-key');
  },
});

/** As other tools print them: with colons, in capitals. */
function plainHex(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}
