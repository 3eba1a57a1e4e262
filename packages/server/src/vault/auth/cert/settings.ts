import type { Settings } from '../method/settings.ts';

export const configSettings: Settings = {
  disable_binding: {
    kind: 'boolean',
    absent: false,
    doc: 'Kept, and without a meaning here: a renewal asks for the token, and not for the certificate again.',
  },
  enable_identity_alias_metadata: {
    kind: 'boolean',
    absent: false,
    doc: "Whether what the certificate says goes into the metadata of the entity's alias, for policies to use.",
  },
};

/** A role, beside the settings of its tokens. */
export const roleSettings: Settings = {
  certificate: {
    kind: 'text',
    absent: '',
    doc: 'Authorities, or certificates that are trusted themselves, as PEM.',
  },
  display_name: { kind: 'text', absent: '', doc: 'How tokens are called; as the role when empty.' },
  allowed_names: {
    kind: 'list',
    absent: [],
    doc: 'For the common name and all alternative ones; `*` matches any.',
  },
  allowed_common_names: { kind: 'list', absent: [], doc: 'For the common name.' },
  allowed_dns_sans: { kind: 'list', absent: [], doc: 'For alternative names of hosts.' },
  allowed_email_sans: { kind: 'list', absent: [], doc: 'For alternative names that are mail addresses.' },
  allowed_uri_sans: { kind: 'list', absent: [], doc: 'For alternative names that are URIs.' },
  allowed_organizational_units: { kind: 'list', absent: [], doc: 'For organizational units.' },
  required_extensions: {
    kind: 'list',
    absent: [],
    doc: 'Extensions a certificate must have: `<number>:<value>` or `hex:<number>:<value>`.',
  },
  allowed_metadata_extensions: {
    kind: 'list',
    absent: [],
    doc: 'Numbers of extensions whose text goes into the metadata.',
  },
  ocsp_enabled: { kind: 'boolean', absent: false, doc: 'Not supported, so it must be false.' },
};
