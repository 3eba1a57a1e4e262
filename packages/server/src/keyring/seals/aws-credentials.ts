import { Fault } from '@sallyport/formats';
import type { Clock } from '#platform';
import type { AwsCredentials } from './aws-signature.ts';
import { createCached, type Expiring } from './cached.ts';
import { type JsonObject, objectField, type SealHttp, type SealRequest, textField } from './seal-http.ts';
import { readSecretFile } from './secret-file.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface AwsCredentialsDeps {
  readonly http: SealHttp;
  readonly clock: Clock;
  readonly environment: Environment;
  readonly region: string;
  /** Where the instance metadata service and the security token service are, if not where AWS has them. */
  readonly metadataUrl?: string | undefined;
  readonly tokenServiceUrl?: string | undefined;
}

const service = 'the credentials service of AWS';

/**
 * Credentials as AWS's own tools find them, in their order: environment, web identity (Kubernetes), container endpoint
 * (ECS, EKS pod identity), instance metadata with session tokens (IMDSv2; version 1 is not asked, because any proxy on
 * the machine can be made to ask it).
 */
export function awsCredentials(deps: AwsCredentialsDeps): () => Promise<AwsCredentials> {
  const { environment, clock } = deps;
  return createCached(clock, async () => {
    const accessKeyId = environment['AWS_ACCESS_KEY_ID'];
    const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY'];
    if (accessKeyId !== undefined && secretAccessKey !== undefined) {
      const sessionToken = environment['AWS_SESSION_TOKEN'];
      const value = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
      return { value, expiresAt: undefined };
    }
    if (environment['AWS_WEB_IDENTITY_TOKEN_FILE'] !== undefined) return fromWebIdentity(deps);
    if (environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] !== undefined) return fromContainer(deps);
    if (environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] !== undefined) return fromContainer(deps);
    return fromInstance(deps);
  });
}

async function fromWebIdentity(deps: AwsCredentialsDeps): Promise<Expiring<AwsCredentials>> {
  const { environment, http, region } = deps;
  const role = environment['AWS_ROLE_ARN'];
  if (role === undefined) throw missing('AWS_ROLE_ARN beside AWS_WEB_IDENTITY_TOKEN_FILE');
  const answer = await http.json({
    service,
    build: async (): Promise<SealRequest> => ({
      url: deps.tokenServiceUrl ?? `https://sts.${region}.amazonaws.com/`,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: role,
        RoleSessionName: environment['AWS_ROLE_SESSION_NAME'] ?? 'sallyport',
        WebIdentityToken: await readSecretFile(environment['AWS_WEB_IDENTITY_TOKEN_FILE'] ?? ''),
      }).toString(),
    }),
  });
  const response = objectField(answer, 'AssumeRoleWithWebIdentityResponse', service);
  const result = objectField(response, 'AssumeRoleWithWebIdentityResult', service);
  const credentials = objectField(result, 'Credentials', service);
  const seconds = credentials['Expiration'];
  const expiresAt = typeof seconds === 'number' ? seconds * 1000 : undefined;
  return expiring(credentials, 'SessionToken', expiresAt);
}

async function fromContainer({ environment, http }: AwsCredentialsDeps): Promise<Expiring<AwsCredentials>> {
  const relative = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  const full = environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  const answer = await http.json({
    service,
    async build() {
      const file = environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'];
      const token =
        file === undefined ? environment['AWS_CONTAINER_AUTHORIZATION_TOKEN'] : await readSecretFile(file);
      return {
        url: relative === undefined ? (full ?? '') : new URL(relative, 'http://169.254.170.2').href,
        method: 'GET',
        headers: token === undefined ? {} : { authorization: token },
      };
    },
  });
  return expiring(answer, 'Token');
}

async function fromInstance({ http, metadataUrl }: AwsCredentialsDeps): Promise<Expiring<AwsCredentials>> {
  const base = metadataUrl ?? 'http://169.254.169.254';
  const get = (path: string, headers: Record<string, string>, method: 'GET' | 'PUT' = 'GET') => ({
    service,
    build: (): SealRequest => ({ url: `${base}/latest/${path}`, method, headers }),
  });
  const session = { 'x-aws-ec2-metadata-token-ttl-seconds': '300' };
  const token = (await http.text(get('api/token', session, 'PUT'))).trim();
  const headers = { 'x-aws-ec2-metadata-token': token };
  const folder = 'meta-data/iam/security-credentials/';
  const [role = ''] = (await http.text(get(folder, headers))).trim().split('\n');
  if (!/^[\w+=,.@-]{1,128}$/.test(role)) throw missing('an instance with a role');
  return expiring(await http.json(get(`${folder}${role}`, headers)), 'Token');
}

function expiring(answer: JsonObject, token: string, expiresAt?: number): Expiring<AwsCredentials> {
  const value = {
    accessKeyId: textField(answer, 'AccessKeyId', service),
    secretAccessKey: textField(answer, 'SecretAccessKey', service),
    sessionToken: textField(answer, token, service),
  };
  const parsed = expiresAt ?? Date.parse(textField(answer, 'Expiration', service));
  if (!Number.isFinite(parsed)) throw missing('credentials with a time at which they end');
  return { value, expiresAt: parsed };
}

function missing(what: string): Fault {
  return new Fault('unavailable', 'keyring.seal_unavailable', `expected ${what}, got none`);
}
