import type { JobGrant, Step, StepGrant } from '@sallyport/contract';
import { Fault, SecretBytes } from '@sallyport/formats';
import { type FetchedTool, mirrorAddress, proxyAddress } from '../egress/index.ts';

/** What a step is handed: its variables and files, and every secret in them, for the mask. */
export interface Handed {
  readonly env: Readonly<Record<string, string>>;
  readonly files: ReadonlyArray<{ readonly name: string; readonly content: SecretBytes }>;
  readonly secrets: readonly SecretBytes[];
}

export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Only what is declared reaches a step. The grant can take away from what the definition declares, never add: a
 * control plane that was talked into more is refused here.
 */
export function handOver(job: JobGrant, step: Step, grant: StepGrant, tools: readonly FetchedTool[]): Handed {
  if (job.trust === 'untrusted' && (grant.secrets.length > 0 || grant.identityToken !== undefined)) {
    throw refused('an untrusted run holds no secret and no identity');
  }
  const env: Record<string, string> = { ...fixedVariables(job, step, tools), ...step.env };
  const files: { name: string; content: SecretBytes }[] = [];
  const secrets: SecretBytes[] = [];
  for (const secret of grant.secrets) {
    const declared = secret.delivery === 'env' ? step.secrets : step.secret_files;
    if (declared === undefined || !Object.hasOwn(declared, secret.name)) {
      throw refused(`step "${step.name}" does not declare the secret "${secret.name}"`);
    }
    const value = SecretBytes.from(Uint8Array.from(Buffer.from(secret.value, 'base64')));
    secrets.push(value);
    if (secret.delivery === 'env') env[secret.name] = value.exposeUtf8();
    else files.push({ name: secret.name, content: value });
  }
  for (const name of [...Object.keys(step.secrets ?? {}), ...Object.keys(step.secret_files ?? {})]) {
    if (job.trust === 'trusted' && !grant.secrets.some((secret) => secret.name === name)) {
      throw refused(`step "${step.name}" declares the secret "${name}", and the grant does not have it`);
    }
  }
  if (grant.identityToken !== undefined) {
    secrets.push(SecretBytes.fromUtf8(grant.identityToken));
    env['SALLYPORT_ID_TOKEN'] = grant.identityToken;
  }
  return { env, files, secrets };
}

function fixedVariables(job: JobGrant, step: Step, tools: readonly FetchedTool[]): Record<string, string> {
  return {
    CI: 'true',
    SOURCE_DATE_EPOCH: String(job.commitEpochSeconds),
    PATH: [...tools.map((tool) => tool.binPath), systemPath].join(':'),
    npm_config_registry: mirrorAddress,
    // Lock files may name another registry; every tarball goes through the mirror all the same.
    npm_config_replace_registry_host: 'always',
    npm_config_cache: '/tmp/npm',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    npm_config_progress: 'false',
    ...(step.allow_scripts === true ? {} : { npm_config_ignore_scripts: 'true' }),
    ...(step.network === 'allowlist' ? proxyVariables : {}),
  };
}

/** Both spellings: programs agree on neither. */
const proxyVariables = {
  http_proxy: proxyAddress,
  https_proxy: proxyAddress,
  HTTP_PROXY: proxyAddress,
  HTTPS_PROXY: proxyAddress,
  no_proxy: '127.0.0.1,localhost',
  NO_PROXY: '127.0.0.1,localhost',
  NODE_USE_ENV_PROXY: '1',
};

function refused(why: string): Fault {
  return new Fault('denied', 'build.grant', `expected a grant that fits the definition: ${why}`);
}
