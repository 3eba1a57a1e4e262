import { Fault } from '@sallyport/formats';
import { isVersion, tarballFile } from './coordinates.ts';

/** What the mirror needs to know of one version, read from the registry's document. */
export interface Release {
  readonly publishedAt: Date | undefined;
  readonly tarball: string | undefined;
  readonly integrity: string | undefined;
  readonly hasInstallScript: boolean;
}

export interface Packument {
  readonly name: string;
  find(version: string): Release | undefined;
  /** The document as a step sees it: known fields only, every tarball at `origin`, so that npm asks nobody else. */
  render(origin: string): string;
}

type Fields = Readonly<Record<string, unknown>>;

/** What npm needs to resolve and to link. Everything else of a version stays outside. */
const versionFields = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'bundleDependencies',
  'bundledDependencies',
  'bin',
  'directories',
  'engines',
  'os',
  'cpu',
  'libc',
  'deprecated',
  '_hasShrinkwrap',
] as const;

export function parsePackument(text: string, name: string): Packument {
  const document = fieldsOf(parseJson(text, name));
  if (document === undefined || document['name'] !== name) {
    throw new Fault(
      'integrity',
      'egress.bad_packument',
      `expected the registry's document of "${name}", got another`,
    );
  }
  const versions = new Map<string, Fields>();
  for (const [version, value] of Object.entries(fieldsOf(document['versions']) ?? {})) {
    const fields = fieldsOf(value);
    if (isVersion(version) && fields !== undefined) versions.set(version, fields);
  }
  const times = fieldsOf(document['time']) ?? {};

  return {
    name,
    find(version) {
      const fields = versions.get(version);
      if (fields === undefined) return undefined;
      const dist = fieldsOf(fields['dist']);
      return {
        publishedAt: dateOf(Object.hasOwn(times, version) ? times[version] : undefined),
        tarball: textOf(dist?.['tarball']),
        integrity: textOf(dist?.['integrity']),
        hasInstallScript: runsOnInstall(fields),
      };
    },
    render(origin) {
      const rendered: [string, unknown][] = [];
      for (const [version, fields] of versions) {
        const dist = fieldsOf(fields['dist']) ?? {};
        const shown: [string, unknown][] = versionFields
          .filter((field) => Object.hasOwn(fields, field))
          .map((field) => [field, fields[field]]);
        rendered.push([
          version,
          {
            name,
            version,
            ...Object.fromEntries(shown),
            ...(runsOnInstall(fields) ? { hasInstallScript: true } : {}),
            dist: {
              tarball: `${origin}${name}/-/${tarballFile(name, version)}`,
              integrity: textOf(dist['integrity']),
              shasum: textOf(dist['shasum']),
            },
          },
        ]);
      }
      return JSON.stringify({
        name,
        'dist-tags': Object.fromEntries(
          Object.entries(fieldsOf(document['dist-tags']) ?? {}).filter(
            ([, version]) => typeof version === 'string',
          ),
        ),
        versions: Object.fromEntries(rendered),
        time: Object.fromEntries(Object.entries(times).filter(([, time]) => typeof time === 'string')),
      });
    },
  };
}

function runsOnInstall(fields: Fields): boolean {
  const scripts = fieldsOf(fields['scripts']) ?? {};
  return (
    fields['hasInstallScript'] === true ||
    fields['gypfile'] === true ||
    ['preinstall', 'install', 'postinstall'].some((name) => Object.hasOwn(scripts, name))
  );
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault(
      'integrity',
      'egress.bad_packument',
      `expected the registry's document of "${name}" as JSON`,
      { cause },
    );
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  // JSON.parse gives own properties only; lists are objects too and have no business here.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= 2000 ? value : undefined;
}

function dateOf(value: unknown): Date | undefined {
  const text = textOf(value);
  const date = text === undefined ? undefined : new Date(text);
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
}
