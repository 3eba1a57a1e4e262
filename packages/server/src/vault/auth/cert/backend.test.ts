import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIds, createListener, peerCertificateOf, systemClock, systemRandom } from '#platform';
import { silentLog } from '../../../../test-support/fakes.ts';
import {
  alternativeNames,
  authority,
  clientAuth,
  extendedKeyUsage,
  type Issued,
  issueCertificate,
  loopbackServer,
  revocationList,
} from '../../credentials/certificates.fixture.ts';
import { createHandler } from '../../http/handler.ts';
import type { SealControl } from '../../sys/sealed.ts';
import { type Methods, openMethods, refusal } from '../method/methods.fixture.ts';

const { ca: serverCa, server } = loopbackServer();
const root = issueCertificate({ commonName: 'clients', extensions: authority });
const between = issueCertificate({ commonName: 'between', issuer: root, serial: 5n, extensions: authority });
const clientOf = (name: string, serial: bigint, issuer = root): Issued =>
  issueCertificate({
    commonName: name,
    issuer,
    serial,
    extensions: [extendedKeyUsage(clientAuth), alternativeNames({ dns: [`${name}.example.org`] })],
  });
const web = clientOf('web', 0x1234n);

let vault: Methods;
let port: number;
let directory: string;
let stop: () => Promise<void>;
let loadedAtFirst: boolean;
beforeAll(async () => {
  vault = await openMethods();
  loadedAtFirst = isReaderLoaded();
  directory = await mkdtemp(join(tmpdir(), 'sallyport-cert-'));
  const file = async (name: string, text: string | Buffer): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const listener = createListener({
    log: silentLog,
    ids: createIds({ clock: systemClock, random: systemRandom }),
    config: {
      host: '127.0.0.1',
      port: 0,
      graceSeconds: 1,
      maxConnections: 100,
      tls: {
        certFile: await file('cert.pem', server.pem),
        keyFile: await file('key.pem', keyOf(server)),
        clientCaFile: await file('clients.pem', root.pem),
      },
    },
  });
  const { handle, quick } = createHandler({
    control: {} as SealControl,
    pipeline: vault.vault.pipeline,
    log: silentLog,
    requestId: () => crypto.randomUUID(),
    certificateOf: peerCertificateOf,
  });
  listener.attach({ below: '/v1/', handle, quick });
  ({ port } = await listener.listen());
  stop = () => listener.stop();
  await vault.write('auth/cert/certs/web', {
    certificate: root.pem,
    allowed_common_names: 'web',
    token_policies: 'web',
    token_ttl: '5m',
  });
});
afterAll(async () => {
  await stop();
  await vault.close();
  await rm(directory, { recursive: true });
});

/** Whether the library that reads certificates is in memory. */
function isReaderLoaded(): boolean {
  const { cache } = createRequire(import.meta.url);
  return Object.keys(cache).some((file) => file.includes('@peculiar/asn1-x509'));
}

function keyOf({ key }: Issued): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

interface Told {
  readonly status: number | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

/** A login over TLS as `client`, who sends the certificates above its own as well. */
async function login(
  client: Issued | undefined,
  { name, above = [], mount = 'cert', options = {} }: LoginOptions = {},
): Promise<Told> {
  const shown =
    client === undefined
      ? {}
      : { cert: [client, ...above].map(({ pem }) => pem).join(''), key: keyOf(client) };
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: `/v1/auth/${mount}/login`,
    ca: serverCa.pem,
    agent: false,
    ...shown,
    ...options,
  });
  outgoing.end(name === undefined ? undefined : JSON.stringify({ name }));
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, body: JSON.parse(text) };
}

interface LoginOptions {
  readonly name?: string;
  readonly above?: readonly Issued[];
  readonly mount?: string;
  readonly options?: RequestOptions;
}

const noMatch = refusal(400, 'no chain matching all constraints could be found for this login certificate');
const invalid = refusal(400, 'invalid certificate or no client certificate supplied');

async function mounted(mount: string, ...certs: ReadonlyArray<readonly [string, object]>): Promise<void> {
  await vault.write(`sys/auth/${mount}`, { type: 'cert' });
  for (const [name, body] of certs)
    await vault.write(`auth/${mount}/certs/${name}`, { certificate: root.pem, ...body });
}

describe('the login with a certificate', () => {
  it('gives a token as the role says', async () => {
    const { status, body } = await login(web);

    expect(status).toBe(200);
    expect(body.auth).toMatchObject({
      token_policies: ['default', 'web'],
      lease_duration: 300,
      metadata: { cert_name: 'web', common_name: 'web', serial_number: '4660' },
    });
    const self = (await vault.get('auth/token/lookup-self', body.auth.client_token)).body.data;
    expect(self.display_name).toBe('cert-web');
    const entity = (await vault.get(`identity/entity/id/${body.auth.entity_id}`)).body.data;
    expect(entity.aliases).toMatchObject([{ name: 'web', metadata: {} }]);
  });

  it('needs one, on a listener that asks for it', async () => {
    const text = expect.stringMatching(/^client certificate must be supplied: .*tls_client_ca_file/);

    expect(await login(undefined)).toMatchObject(refusal(400, text));
    expect(await vault.post('auth/cert/login', {}, null)).toMatchObject(refusal(400, text));
  });

  it('takes authorities in between from the client, also on a resumed session', async () => {
    await mounted('tiered', ['any', {}]);
    const deep = clientOf('deep', 7n, between);
    const agent = new Agent({ maxCachedSessions: 10 });

    const first = await login(deep, { above: [between], mount: 'tiered', options: { agent } });
    const second = await login(deep, { above: [between], mount: 'tiered', options: { agent } });
    agent.destroy();

    expect([first.status, second.status]).toEqual([200, 200]);
  });

  it('asks all roles, or the one that is named', async () => {
    await mounted(
      'many',
      ['a', { allowed_dns_sans: 'other.example.org' }],
      ['b', { certificate: serverCa.pem }],
      ['c', { allowed_dns_sans: '*.example.org' }],
    );
    const named = async (name?: string) =>
      await login(web, { mount: 'many', ...(name === undefined ? {} : { name }) });

    expect((await named()).body.auth.metadata.cert_name).toBe('c');
    expect((await named('C')).body.auth.metadata.cert_name).toBe('c');
    expect(await named('a')).toMatchObject(noMatch);
    expect(await named('b')).toMatchObject(invalid);
    expect(await named('none')).toMatchObject(invalid);
    expect(await named('../x')).toMatchObject(invalid);
  });

  it('loads the reader of certificates with the first role, and not before', () => {
    expect([loadedAtFirst, isReaderLoaded()]).toEqual([false, true]);
  });

  it('trusts a certificate itself', async () => {
    await mounted('pinned', ['web', { certificate: web.pem }]);

    expect((await login(web, { mount: 'pinned' })).status).toBe(200);
    expect(await login(clientOf('web', 0x1235n), { mount: 'pinned' })).toMatchObject(invalid);
  });

  it('is refused when a list of the mount names its certificate, or one above it', async () => {
    await mounted('revoking', ['any', {}]);
    const [one, other] = [clientOf('one', 11n), clientOf('other', 12n)];
    const deep = clientOf('deep', 13n, between);
    await vault.write('auth/revoking/crls/first', { crl: revocationList(root, [11n, 99n]) });
    await vault.write('auth/revoking/crls/second', { crl: revocationList(root, [5n]) });

    expect(await login(one, { mount: 'revoking' })).toMatchObject(invalid);
    expect((await login(other, { mount: 'revoking' })).status).toBe(200);
    expect(await login(deep, { above: [between], mount: 'revoking' })).toMatchObject(invalid);
    expect((await vault.get('auth/revoking/crls/first')).body.data).toEqual({ serials: { 11: {}, 99: {} } });
    expect((await vault.request('LIST', 'auth/revoking/crls')).body.data.keys).toEqual(['first', 'second']);

    await vault.request('DELETE', 'auth/revoking/crls/first');

    expect((await login(one, { mount: 'revoking' })).status).toBe(200);
    expect(await vault.get('auth/revoking/crls/first')).toMatchObject(refusal(404));
  });

  it('is bound to the addresses of the role, and to the environment of the mount', async () => {
    await vault.policy('all', 'path "*" { capabilities = ["read", "sudo"] }');
    await vault.write('sys/auth/prod-cert', { type: 'cert', environment: 'shop/prod' });
    const certs = 'auth/prod-cert/certs';
    await vault.write(`${certs}/far`, { certificate: root.pem, token_bound_cidrs: '192.0.2.0/24' });
    await vault.write(`${certs}/near`, { certificate: root.pem, token_policies: 'all' });

    expect((await login(web, { mount: 'prod-cert', name: 'far' })).status).toBe(403);
    const { client_token: token } = (await login(web, { mount: 'prod-cert', name: 'near' })).body.auth;
    expect((await vault.get('secret/data/a', token)).status).toBe(403);
  });

  it('shows a role under its own name where it has no other', async () => {
    await mounted('named', ['web', {}], ['shop', { display_name: 'the shop' }]);

    expect((await vault.get('auth/named/certs/web')).body.data.display_name).toBe('web');
    expect((await vault.get('auth/named/certs/shop')).body.data.display_name).toBe('the shop');
  });

  it('gives the alias metadata for policies where the mount says so', async () => {
    await mounted('telling', ['web', {}]);
    const warned = await vault.post('auth/telling/config', {
      enable_identity_alias_metadata: true,
      disable_binding: false,
    });

    expect(warned.body.warnings).toHaveLength(1);
    expect((await vault.get('auth/telling/config')).body.data).toEqual({
      disable_binding: false,
      enable_identity_alias_metadata: true,
    });
    const { entity_id: id } = (await login(web, { mount: 'telling' })).body.auth;
    const { aliases } = (await vault.get(`identity/entity/id/${id}`)).body.data;
    expect(aliases[0].metadata).toMatchObject({ cert_name: 'web', common_name: 'web' });
  });
});

describe('roles for certificates', () => {
  it('are shown, listed and deleted', async () => {
    await mounted('shown', ['Web', { allowed_names: 'a,b', display_name: 'x' }]);

    expect((await vault.get('auth/shown/certs/web')).body.data).toMatchObject({
      certificate: root.pem,
      allowed_names: ['a', 'b'],
      display_name: 'x',
      ocsp_enabled: false,
    });
    expect((await vault.request('LIST', 'auth/shown/certs')).body.data.keys).toEqual(['web']);
    await vault.request('DELETE', 'auth/shown/certs/web');
    expect(await login(web, { mount: 'shown' })).toMatchObject(invalid);
  });

  it.each<[string, string, object]>([
    ['no certificate', 'certs/x', {}],
    ['something else', 'certs/x', { certificate: 'pearl' }],
    ['a key', 'certs/x', { certificate: keyOf(web) }],
    ['questions by OCSP', 'certs/x', { certificate: root.pem, ocsp_enabled: true }],
    ['an extension without a value', 'certs/x', { certificate: root.pem, required_extensions: '1.2.3' }],
    ['a range that holds nothing', 'certs/x', { certificate: root.pem, token_bound_cidrs: 'here' }],
    ['a list that is none', 'crls/x', { crl: root.pem }],
    ['no list', 'crls/x', {}],
    ['a list elsewhere', 'crls/x', { url: 'https://a.test/crl' }],
  ])('and lists are refused with %s', async (_name, path, body) => {
    expect((await vault.post(`auth/cert/${path}`, body)).status).toBe(400);
    expect((await vault.get(`auth/cert/${path}`)).status).toBe(404);
  });
});
