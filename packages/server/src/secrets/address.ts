import { Fault } from '@sallyport/formats';

/** Where a secret lives. An environment is a mount of its own: its name is part of every key and every address. */
export interface SecretAddress {
  readonly project: string;
  readonly environment: string;
  readonly path: string;
}

const name = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const pathPattern = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const keyPattern = /^[A-Za-z0-9._-]{1,64}$/;
const maxPathLength = 255;

export function checkMount(project: string, environment: string): void {
  for (const each of [project, environment])
    if (!name.test(each))
      throw invalid(
        `expected a project and environment of lower case letters, digits and dashes, got "${each.slice(0, 80)}"`,
      );
}

export function checkAddress(address: SecretAddress): SecretAddress {
  checkMount(address.project, address.environment);
  if (address.path.length > maxPathLength || !pathPattern.test(address.path))
    throw invalid(`expected a path such as "orders/database", got "${address.path.slice(0, 100)}"`);
  return address;
}

export function checkKey(key: string): string {
  if (!keyPattern.test(key))
    throw invalid(`expected a key of letters, digits, ".", "_" and "-", got "${key.slice(0, 80)}"`);
  return key;
}

export function isKey(key: string): boolean {
  return keyPattern.test(key);
}

/** `path/of/secret#key`. */
export function parseRef(ref: string): { readonly path: string; readonly key: string } {
  const at = ref.indexOf('#');
  if (at < 0) throw invalid(`expected "path#key", got "${ref.slice(0, 100)}"`);
  const path = ref.slice(0, at);
  if (path.length > maxPathLength || !pathPattern.test(path))
    throw invalid(`expected a path before "#" in "${ref.slice(0, 100)}"`);
  return { path, key: checkKey(ref.slice(at + 1)) };
}

/** The environment as the vault names it, and with it the path of its mount. */
export function mountOf(of: { readonly project: string; readonly environment: string }): string {
  return `${of.project}/${of.environment}`;
}

export function placeOf(of: SecretAddress): { readonly environment: string; readonly path: string } {
  return { environment: mountOf(of), path: of.path };
}

/** The scope of the key of rows of before; the engine keeps the records of the same environment under the same. */
export function scopeOf(of: { readonly project: string; readonly environment: string }): string {
  return `env:${of.project}/${of.environment}`;
}

/** What the ciphertext of a value of before is bound to. No part but the path can hold a slash, so no two values share an address. */
export function valueAddress(of: SecretAddress, key: string, version: number): string {
  return `${of.project}/${of.environment}/${of.path}/${key}/${version}`;
}

export function secretResource(of: SecretAddress): string {
  return `secret/${of.project}/${of.environment}/${of.path}`;
}

function invalid(message: string): Fault {
  return new Fault('invalid', 'secrets.address_invalid', message);
}
