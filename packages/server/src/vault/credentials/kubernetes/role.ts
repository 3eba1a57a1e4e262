import type { Fields } from '../../fields.ts';
import { invalidSetting } from '../login.ts';

/** A role of auth/kubernetes, beside the parameters of its tokens. */
export interface KubernetesRole {
  readonly name: string;
  /** Patterns with `*`. */
  readonly serviceAccountNames: readonly string[];
  readonly serviceAccountNamespaces: readonly string[];
  /** Required in the token, unless empty. */
  readonly audience: string;
  readonly aliasNameSource: 'serviceaccount_uid' | 'serviceaccount_name';
}

/** Reads the fields of `POST auth/<mount>/role/<name>` as Vault names them. Throws `Fault('invalid')`. */
export function parseKubernetesRole(name: string, fields: Fields): KubernetesRole {
  const serviceAccountNames = fields.list('bound_service_account_names');
  const serviceAccountNamespaces = fields.list('bound_service_account_namespaces');
  if (serviceAccountNames.length === 0)
    throw invalidSetting('"bound_service_account_names" can not be empty');
  if (serviceAccountNamespaces.length === 0)
    throw invalidSetting('"bound_service_account_namespaces" can not be empty');
  // To ignore the selector would let in whom the operator thinks is checked.
  if (fields.text('bound_service_account_namespace_selector') !== '')
    throw invalidSetting("'bound_service_account_namespace_selector' is not supported");
  if (serviceAccountNames.includes('*') && serviceAccountNamespaces.includes('*'))
    throw invalidSetting(
      '"bound_service_account_names" and "bound_service_account_namespaces" can not both be set to "*"',
    );
  const source = fields.text('alias_name_source') || 'serviceaccount_uid';
  if (source !== 'serviceaccount_uid' && source !== 'serviceaccount_name')
    throw invalidSetting("expected 'alias_name_source' as serviceaccount_uid or serviceaccount_name");
  return {
    name,
    serviceAccountNames,
    serviceAccountNamespaces,
    audience: fields.text('audience'),
    aliasNameSource: source,
  };
}
