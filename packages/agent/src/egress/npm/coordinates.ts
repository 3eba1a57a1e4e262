/** The only shapes of URL the mirror knows. Everything else is refused before anything is done for it. */
export type Wanted =
  | { readonly kind: 'packument'; readonly name: string }
  | { readonly kind: 'tarball'; readonly name: string; readonly version: string; readonly file: string };

const part = '[A-Za-z0-9~-][A-Za-z0-9._~-]*';
/** `name`, `@scope/name`, and the one escape npm sends: `@scope%2fname`. */
const packagePath = new RegExp(`^/(@${part}(?:/|%2[fF]))?(${part})$`);
const tarballPath = new RegExp(
  `^/(@${part}(?:/|%2[fF]))?(${part})/-/([A-Za-z0-9~-][A-Za-z0-9._~+-]*)\\.tgz$`,
);
const versionText =
  /^[0-9]{1,15}\.[0-9]{1,15}\.[0-9]{1,15}(?:-[0-9A-Za-z.-]{1,60})?(?:\+[0-9A-Za-z.-]{1,60})?$/;
const nameText = new RegExp(`^(?:@${part}/)?${part}$`);

export const maxNameLength = 214;

export function isPackageName(text: string): boolean {
  return text.length <= maxNameLength && nameText.test(text);
}

export function isVersion(text: string): boolean {
  return versionText.test(text);
}

/**
 * Reads a request's path. No normalisation, on purpose: `..`, `%2e`, a query, a second slash or any escape but the
 * scope's make it no path of ours, so the mirror and the upstream can never read one path two ways.
 */
export function parseWanted(path: string): Wanted | undefined {
  if (path.length > 700) return undefined;
  const whole = packagePath.exec(path);
  if (whole?.[2] !== undefined) return named(whole[1], whole[2], (name) => ({ kind: 'packument', name }));
  const tarball = tarballPath.exec(path);
  const unscoped = tarball?.[2];
  const stem = tarball?.[3];
  if (tarball === null || unscoped === undefined || stem === undefined) return undefined;
  if (!stem.startsWith(`${unscoped}-`)) return undefined;
  const version = stem.slice(unscoped.length + 1);
  if (!isVersion(version)) return undefined;
  return named(tarball[1], unscoped, (name) => ({ kind: 'tarball', name, version, file: `${stem}.tgz` }));
}

export function tarballFile(name: string, version: string): string {
  return `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
}

function named(scope: string | undefined, rest: string, make: (name: string) => Wanted): Wanted | undefined {
  const name = scope === undefined ? rest : `${scope.replace(/%2[fF]$/, '/')}${rest}`;
  return isPackageName(name) ? make(name) : undefined;
}
