import type { Settings } from '../method/settings.ts';

/** The configuration of a mount; the reviewer's token is not among them, because nobody reads it back. */
export const configSettings: Settings = {
  kubernetes_host: {
    kind: 'text',
    absent: '',
    doc: 'The address of the API server, which is asked for each login.',
  },
  kubernetes_ca_cert: { kind: 'text', absent: '', doc: 'Authorities to believe the API server by, as PEM.' },
  pem_keys: {
    kind: 'list',
    absent: [],
    doc: 'Keys of the cluster, as PEM: asked as well as the API server, or alone where no host is set.',
  },
  issuer: { kind: 'text', absent: '', doc: 'What the claim iss must be, where it is validated.' },
  disable_iss_validation: { kind: 'boolean', absent: true, doc: 'Whether any issuer will do.' },
  disable_local_ca_jwt: {
    kind: 'boolean',
    absent: false,
    doc: 'Kept, and without a meaning here: files of the pod this server runs in are never used.',
  },
};

/** A role, beside the settings of its tokens. */
export const roleSettings: Settings = {
  bound_service_account_names: { kind: 'list', absent: [], doc: 'Which service accounts; `*` matches any.' },
  bound_service_account_namespaces: {
    kind: 'list',
    absent: [],
    doc: 'Of which namespaces; `*` matches any.',
  },
  bound_service_account_namespace_selector: {
    kind: 'text',
    absent: '',
    doc: 'Not supported, so it must be empty.',
  },
  audience: { kind: 'text', absent: '', doc: 'What must be among the audiences of the token.' },
  alias_name_source: {
    kind: 'text',
    absent: 'serviceaccount_uid',
    doc: '`serviceaccount_uid`, or `serviceaccount_name` for `namespace/name`.',
  },
};
