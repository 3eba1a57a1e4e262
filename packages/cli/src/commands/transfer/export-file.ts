import { fromUtf8 } from '@sallyport/formats';
import { type JsonPlace, placesOf, unescaped } from '@sallyport/sdk';
import { badFile, type Found } from './found.ts';

/**
 * What `sally secret export` writes, before it is encrypted: one JSON object, so that any tool can read it again.
 * `{"format": …, "from": …, "secrets": {path: {"custom": {…}, "versions": [{…}, …]}}}`, versions oldest first.
 */
export const exportFormat = 'sallyport.dev/secrets-export/v1';

export function writeExport(from: string, at: string, found: readonly Found[]): Buffer {
  const parts: Uint8Array[] = [
    Buffer.from(
      `{"format":${JSON.stringify(exportFormat)},"from":${JSON.stringify(from)},"at":${JSON.stringify(at)},"secrets":{`,
    ),
  ];
  for (const [index, { path, versions, custom }] of found.entries()) {
    const lead = index === 0 ? '' : ',';
    parts.push(
      Buffer.from(`${lead}${JSON.stringify(path)}:{"custom":${JSON.stringify(custom)},"versions":[`),
    );
    for (const [version, json] of versions.entries()) parts.push(Buffer.from(version === 0 ? '' : ','), json);
    parts.push(Buffer.from(']}'));
  }
  parts.push(Buffer.from('}}\n'));
  return Buffer.concat(parts);
}

/** Reads it again. Throws Fault `cli.import`. */
export function readExport(bytes: Uint8Array): readonly Found[] {
  const place = placesOf(bytes);
  const text = (at: JsonPlace | undefined): string | undefined =>
    at?.kind === 'string' ? fromUtf8(unescaped(bytes, at)) : undefined;
  const secrets = place.members.get('secrets');
  if (text(place.members.get('format')) !== exportFormat || secrets?.kind !== 'object') {
    throw badFile(`expected the format ${exportFormat}, got another file`);
  }
  return [...secrets.members].map(([path, secret]) => {
    const versions = secret.members.get('versions')?.items ?? [];
    if (versions.length === 0 || versions.some(({ kind }) => kind !== 'object')) {
      throw badFile(`expected versions of ${path}, each an object`);
    }
    const custom = [...(secret.members.get('custom')?.members ?? [])];
    return {
      path,
      versions: versions.map(({ start, end }) => Buffer.from(bytes.subarray(start, end))),
      custom: Object.fromEntries(custom.map(([name, value]) => [name, text(value) ?? ''])),
    };
  });
}
