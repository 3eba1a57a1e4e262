import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock } from '../../../test-support/fakes.ts';
import { awsCredentials, type Environment } from './aws-credentials.ts';
import { createSealHttp } from './seal-http.ts';
import { type Answer, type Asked, must, type StrictServer, strictServer } from './strict-server.fixture.ts';

let server: StrictServer;
let folder: string;
const clock = fixedClock('2026-11-20T12:00:00.000Z');
const soon = '2026-11-20T13:00:00Z';
const parts = { AccessKeyId: 'ASIATEST', SecretAccessKey: 'secret', Expiration: soon };
const expected = { accessKeyId: 'ASIATEST', secretAccessKey: 'secret', sessionToken: 'session' };

/** The three services that hand out credentials, as AWS documents them. */
function aws(asked: Asked): Answer {
  const folderPath = '/latest/meta-data/iam/security-credentials/';
  if (asked.path === '/latest/api/token') {
    must(asked.method === 'PUT', 'PUT: a forwarded GET must not get a session');
    must(Number(asked.headers['x-aws-ec2-metadata-token-ttl-seconds']) > 0, 'a time to live');
    return { status: 200, body: 'imds-session', headers: { 'content-type': 'text/plain' } };
  }
  if (asked.path.startsWith(folderPath)) {
    if (asked.headers['x-aws-ec2-metadata-token'] !== 'imds-session') return { status: 401, body: '' };
    if (asked.path === folderPath) return { status: 200, body: 'sallyport-role' };
    must(asked.path === `${folderPath}sallyport-role`, 'the role of the instance');
    return { status: 200, body: { ...parts, Token: 'session', Code: 'Success' } };
  }
  if (asked.path === '/container') {
    must(asked.headers.authorization === 'container-token', 'the token of the container');
    return { status: 200, body: { ...parts, Token: 'session' } };
  }
  must(asked.path === '/sts', 'the token service');
  const form = new URLSearchParams(asked.body);
  must(
    form.get('Action') === 'AssumeRoleWithWebIdentity' && form.get('Version') === '2011-06-15',
    'the action',
  );
  must(form.get('RoleArn') === 'arn:aws:iam::1:role/r' && form.get('WebIdentityToken') === 'jwt', 'the role');
  must(asked.headers.accept === 'application/json', 'JSON');
  const { Expiration: _, ...rest } = parts;
  const Credentials = { ...rest, SessionToken: 'session', Expiration: Date.parse(soon) / 1000 };
  const AssumeRoleWithWebIdentityResult = { Credentials };
  return { status: 200, body: { AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult } } };
}

const credentials = (environment: Environment) =>
  awsCredentials({
    http: createSealHttp(fetch, 1),
    clock,
    environment,
    region: 'eu-central-1',
    metadataUrl: server.url,
    tokenServiceUrl: `${server.url}/sts`,
  });

beforeEach(async () => {
  server = await strictServer(aws);
  folder = await mkdtemp(join(tmpdir(), 'sallyport-aws-'));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe('AWS credentials', () => {
  it('come from the environment first, without asking anybody', async () => {
    const environment = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 's' };

    expect(await credentials(environment)()).toEqual({ accessKeyId: 'AKIA', secretAccessKey: 's' });
    expect(await credentials({ ...environment, AWS_SESSION_TOKEN: 't' })()).toMatchObject({
      sessionToken: 't',
    });
    expect(server.asked).toEqual([]);
  });

  it('come from a web identity, from a container, or from the instance with a session', async () => {
    await writeFile(join(folder, 'jwt'), 'jwt\n');
    await writeFile(join(folder, 'token'), 'container-token');
    const container = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/container` };
    for (const environment of [
      { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'jwt'), AWS_ROLE_ARN: 'arn:aws:iam::1:role/r' },
      { ...container, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'container-token' },
      { ...container, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, 'token') },
      {},
    ]) {
      expect(await credentials(environment)()).toEqual(expected);
    }
  });

  it('are kept until shortly before they end, and fetched once for all who wait', async () => {
    const get = credentials({});
    await Promise.all([get(), get(), get()]);
    expect(server.asked).toHaveLength(3);
    clock.advance(3_400_000);
    await get();
    expect(server.asked).toHaveLength(3);
    clock.advance(100_000);

    await get();

    expect(server.asked).toHaveLength(6);
    clock.set(new Date('2026-11-20T12:00:00.000Z'));
  });

  it('of a container are not fetched over plain HTTP from another machine', async () => {
    const get = credentials({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://evil.example/credentials' });

    await expect(get()).rejects.toMatchObject({ code: 'keyring.seal_address' });
  });
});
