import { Fault } from '../fault.ts';

const namePattern = /^(?:@([A-Za-z0-9~_.-]+)\/)?([A-Za-z0-9~_.-]+)$/;
const versionPattern = /^[0-9A-Za-z.+-]{1,200}$/;

/** Throws unless `name` can be an npm package name, old ones with upper case included. */
export function checkNpmName(name: string): void {
  const [, scope, bare] = namePattern.exec(name) ?? [];
  const dots = [scope, bare].some((part) => part === '.' || part === '..');
  if (name.length > 214 || bare === undefined || dots) throw refused('package name', name);
}

/** Throws unless `version` can be a version of the registry (no range, no URL). */
export function checkNpmVersion(version: string): void {
  if (!versionPattern.test(version)) throw refused('version', version);
}

/** The package URL of an npm package (purl-spec, type npm): `pkg:npm/%40scope/name@1.0.0`. */
export function npmPurl(name: string, version: string): string {
  checkNpmName(name);
  checkNpmVersion(version);
  return `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`;
}

function refused(what: string, got: string): Fault {
  return new Fault(
    'invalid',
    'formats.npm_name',
    `expected an npm ${what}, got ${JSON.stringify(got.slice(0, 100))}`,
  );
}
