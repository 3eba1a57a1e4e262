import { join } from 'node:path';
import type { OptionTypeName, ValueOf } from './option-types.ts';

export interface Option {
  readonly type: OptionTypeName;
  /** What holds when nobody says anything: a text, one made from options above it, or none. Never a secret. */
  readonly default: string | Derived | undefined;
  readonly doc: string;
  /** Masked when shown, refused as a flag (other users see a command line) and in a file others can read. */
  readonly secret?: true;
  /** Set where the usual `SALLYPORT_…` is not what people expect. */
  readonly env?: string;
}

interface Derived {
  readonly text: string;
  readonly from: (known: Readonly<Record<string, unknown>>) => string;
}

function below(name: string): Derived {
  return {
    text: `\`${name}\` in \`data_directory\``,
    from: (known) => join(String(known['dataDirectory']), name),
  };
}

/**
 * Every option of the server, once: validation, `sally config`, flags, environment and docs/configuration.md are all
 * made from this table. Order matters only for defaults that are derived from options above.
 */
export const options = {
  installation: {
    type: 'name',
    default: 'sallyport',
    doc: 'Name of this installation; part of the identities in its evidence, so it does not change later.',
  },
  dataDirectory: {
    type: 'path',
    default: '.sallyport',
    doc: 'Where everything is kept that this server stores itself. One server at a time.',
  },
  listenHost: {
    type: 'host',
    default: '127.0.0.1',
    doc: 'Address to listen on. Anything but loopback needs `tls_cert_file`, or a proxy in front that speaks TLS.',
  },
  listenPort: { type: 'port', default: '7270', doc: 'Port to listen on; 0 takes a free one.' },
  tlsCertFile: {
    type: 'path',
    default: undefined,
    doc: 'Certificate of the server and those between it and its root, PEM. With it the server speaks TLS 1.2 or later and nothing else. Read again on SIGHUP and when it changes; files that cannot be used leave the old ones in use.',
  },
  tlsKeyFile: {
    type: 'path',
    default: undefined,
    doc: 'Key of `tls_cert_file`, PEM without a passphrase; a file that others than its owner may use is refused. Both or none.',
  },
  tlsClientCaFile: {
    type: 'path',
    default: undefined,
    doc: 'Roots that certificates of clients are verified against, PEM. With it clients are asked for one; they need none, and one that does not verify is refused.',
  },
  publicUrl: {
    type: 'url',
    default: {
      text: '`http://`, or `https://` with `tls_cert_file`, with `listen_host` and `listen_port`',
      from: ({ listenHost, listenPort, tlsCertFile }) =>
        `${tlsCertFile === undefined ? 'http' : 'https'}://${String(listenHost).includes(':') ? `[${listenHost}]` : listenHost}:${listenPort}`,
    },
    doc: 'How others reach this server; the issuer of step identities and the builder in provenance.',
  },
  databaseUrl: {
    type: 'databaseUrl',
    default: undefined,
    secret: true,
    env: 'DATABASE_URL',
    doc: 'PostgreSQL 15 or later. Without it the embedded database in `data_directory` is used.',
  },
  databaseConnections: {
    type: 'count',
    default: '10',
    doc: 'Connections to PostgreSQL of one server. The embedded database has one.',
  },
  seal: {
    type: 'seal',
    default: 'file',
    doc: 'What protects the root key while the server is down: `file` (`key_file`), `shamir` (people bring shares), `pkcs11?library=…&token_label=…&key_label=…&mechanism=aes-gcm`, `awskms?region=…&key_id=…`, `gcpckms?key=…`, `azurekeyvault?vault_url=…&key=…` or `transit?address=…&key=…`. Credentials come from where each service keeps them.',
  },
  previousSeal: {
    type: 'seal',
    default: undefined,
    doc: 'The seal before a change of `seal`: the root key is moved from it, and is proven to open under the new one first.',
  },
  devRootToken: {
    type: 'secretText',
    default: undefined,
    secret: true,
    doc: 'The root token of a server that was started with --dev. For trying things out only.',
  },
  acceptRestoredState: {
    type: 'state',
    default: undefined,
    doc: 'The number of the state that a database was put back to on purpose, as the refusal of the start named it. Recorded in the ledger; take it away again afterwards.',
  },
  keyFile: {
    type: 'path',
    default: below('root.key'),
    doc: 'The root key of the seal `file`, made on the first start with mode 0600. Without it nothing that was encrypted can be read: back it up apart from the data.',
  },
  registryDirectory: {
    type: 'path',
    default: below('registry'),
    doc: 'Where artifacts are kept, by digest.',
  },
  ledgerOrigin: {
    type: 'origin',
    default: 'sallyport.localhost',
    doc: 'Name of the ledger in its checkpoints; does not change later.',
  },
  witnesses: {
    type: 'textList',
    default: '[]',
    doc: 'Witnesses that are asked about every checkpoint of the ledger, each as `KEY URL`: its key as `name+hash+base64`, and the address that `add-checkpoint` is below. Another Sallyport tells its own at `/witness/key`, and is at `/witness`.',
  },
  witnessQuorum: {
    type: 'quorum',
    default: '0',
    doc: 'How many witnesses must have cosigned a checkpoint before it is shown at `/checkpoint`. With 0 it is shown at once, with the cosignatures it has.',
  },
  witnessedLogs: {
    type: 'textList',
    default: '[]',
    doc: 'Keys of other logs, each as `name+hash+base64`, whose checkpoints this server cosigns at `/witness/add-checkpoint` as long as each extends the last one.',
  },
  rekorWriters: {
    type: 'rekorWriters',
    default: 'certificates',
    doc: "Who may log signatures with Rekor's APIs: whoever shows a valid certificate of this installation's authority (`certificates`), or whoever has a token (`authenticated`), which Sigstore's clients cannot send by themselves.",
  },
  rekorEntriesPerSecond: {
    type: 'count',
    default: '100',
    doc: "How many entries one identity may log per second with Rekor's APIs; ten seconds' worth at once.",
  },
  buildPlatform: {
    type: 'buildPlatform',
    default: 'workstation',
    doc: 'What verdicts may claim: SLSA build level 1 for a `workstation`, level 2 where this server and its agents are a `hosted` platform that nobody builds on by hand.',
  },
  revocationValidSeconds: {
    type: 'seconds',
    default: '86400',
    doc: 'How long a revocation list speaks for the present, 1 to 86400. It is renewed after a quarter of that; an agent that holds none that is valid keeps what runs and accepts nothing new.',
  },
  auditDevices: {
    type: 'devices',
    default: '[]',
    doc: 'Devices that get a copy of each audit line besides the journal: `file` (`file_path`, `mode`, `sync`), `socket`, `syslog` (`address`, `socket_type`, `facility`, `tag`) or `webhook` (`url`, `key_name`), each also with `required`, `write_timeout`, `hmac_accessor` and `elide_list_responses`. A `required` one must have its lines before an answer leaves. Files are opened anew on SIGHUP.',
  },
  auditWebhookKeys: {
    type: 'fileMap',
    default: '{}',
    doc: 'Files with the keys that sign what audit webhooks send, by the name that `key_name` of a device says. 16 to 4096 bytes, readable by their owner only.',
  },
  auditApiDirectories: {
    type: 'textList',
    default: '[]',
    doc: 'Directories below which `sys/audit` may enable files, and `stdout` to allow standard output. Without any it may enable none: who may write a file where they like owns the machine.',
  },
  auditApiAddresses: {
    type: 'textList',
    default: '[]',
    doc: 'Where `sys/audit` may send lines: `tcp:HOST:PORT`, `udp:HOST:PORT`, `unix:PATH`, or the origin of a webhook.',
  },
  repositoryPollSeconds: {
    type: 'seconds',
    default: '15',
    doc: 'How often repositories without a webhook are looked at.',
  },
  logLevel: { type: 'logLevel', default: 'info', doc: 'The least severe lines that are logged.' },
  uploadLimit: { type: 'bytes', default: '10GiB', doc: 'Largest single upload to the registry.' },
  stepLogLimit: {
    type: 'bytes',
    default: '64MiB',
    doc: 'Longest log of one step; what comes after is cut and marked.',
  },
  connectionLimit: {
    type: 'count',
    default: '10000',
    doc: 'Connections at the same time; more are refused.',
  },
  stopGraceSeconds: { type: 'seconds', default: '20', doc: 'How long a stop waits for requests in flight.' },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof options;

type Typed<O extends { type: OptionTypeName; default: unknown }> = O['default'] extends undefined
  ? ValueOf<O['type']> | undefined
  : ValueOf<O['type']>;

export type Config = { readonly [N in OptionName]: Typed<(typeof options)[N]> };

// A literal per option would hide the optional fields; the table is read as its interface here.
export const optionList: ReadonlyArray<readonly [OptionName, Option]> = Object.entries(
  options,
) as unknown as ReadonlyArray<readonly [OptionName, Option]>;

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const fileKey = (name: OptionName): string => snake(name);
export const flagName = (name: OptionName): string => snake(name).replaceAll('_', '-');
export const envName = (name: OptionName, option: Option): string =>
  option.env ?? `SALLYPORT_${snake(name).toUpperCase()}`;
