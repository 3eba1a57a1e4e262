import { Fault, fromUtf8 } from '@sallyport/formats';
import type { VaultClient } from '@sallyport/sdk';

/** What a program asked for: one value as a variable, or all values of a path as variables of their names. */
export type Wanted =
  | { readonly kind: 'one'; readonly variable: string; readonly path: string; readonly key: string }
  | { readonly kind: 'all'; readonly path: string };

type Variables = Readonly<Record<string, string | undefined>>;

const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,200}$/;

/** `DATABASE_URL=secret/app#url`. Throws Fault `cli.usage`. */
export function parseWanted(text: string): Wanted {
  const [, variable = '', path = '', key = ''] = /^([^=]*)=([^#]+)#(.+)$/.exec(text) ?? [];
  if (variableName.test(variable) && path !== '' && key !== '') return { kind: 'one', variable, path, key };
  throw new Fault('invalid', 'cli.usage', `expected --secret NAME=PATH#KEY, got '${text.slice(0, 100)}'`, {
    hint: 'for example --secret DATABASE_URL=secret/app#url',
  });
}

/**
 * Variables that decide which code a program loads. Who may write a secret must not decide that for everybody who runs
 * something with all its values; who names such a variable with --secret has decided it.
 */
const loaders =
  /^(PATH|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|LD_.*|DYLD_.*|GCONV_PATH|NODE_OPTIONS|NODE_PATH|NODE_EXTRA_CA_CERTS|PYTHON.*|PERL5?.*|RUBY(OPT|LIB)|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|GIT_.*|SSH_.*|EDITOR|VISUAL|PAGER|BROWSER|http_proxy|https_proxy|HTTPS?_PROXY|ALL_PROXY|SSL_CERT_(FILE|DIR)|npm_config_.*)$/i;

/** The values now, as variables. Throws Fault; then the program is not started. */
export async function readWanted(
  client: Pick<VaultClient, 'read'>,
  wanted: readonly Wanted[],
): Promise<Variables> {
  const variables = new Map<string, string>();
  const set = (name: string, bytes: Uint8Array, from: string): void => {
    if (variables.has(name)) {
      throw new Fault(
        'invalid',
        'cli.twice',
        `expected the variable ${name} once, got it again from ${from}`,
      );
    }
    variables.set(name, variableValue(name, bytes, from));
  };
  for (const each of wanted) {
    const secret = await client.read(each.path);
    try {
      if (each.kind === 'one') {
        const value = Object.hasOwn(secret.data, each.key) ? secret.data[each.key] : undefined;
        if (value === undefined) {
          throw new Fault(
            'not_found',
            'cli.no_key',
            `expected the key ${each.key} in ${each.path}, found none`,
          );
        }
        set(each.variable, value.expose(), each.path);
        continue;
      }
      for (const [name, value] of Object.entries(secret.data))
        set(checkedName(name, each.path), value.expose(), each.path);
    } finally {
      secret.wipe();
    }
  }
  return Object.fromEntries(variables);
}

function checkedName(name: string, path: string): string {
  if (!variableName.test(name)) {
    throw new Fault(
      'invalid',
      'cli.variable',
      `expected names of variables in ${path}, found '${name.slice(0, 80)}'`,
      {
        hint: 'name the values that the program needs: --secret NAME=PATH#KEY',
      },
    );
  }
  if (!loaders.test(name)) return name;
  throw new Fault('denied', 'cli.loader', `${path} has ${name}, which decides what code programs load`, {
    hint: `if that is meant: --secret ${name}=${path}#${name}`,
  });
}

function variableValue(name: string, bytes: Uint8Array, path: string): string {
  if (!bytes.includes(0)) return fromUtf8(bytes);
  throw new Fault(
    'invalid',
    'cli.variable',
    `expected no NUL in ${path} for ${name}: a variable cannot hold one`,
  );
}

/**
 * Our own environment without what signs in: a program gets the secrets that were named, and not the right to read
 * more. Ours stand before theirs.
 */
export function childEnvironment(own: Variables, secrets: Variables): Variables {
  const credentials = /^(VAULT_TOKEN|SALLYPORT_TOKEN|SALLYPORT_ID_TOKEN|SALLYPORT_VAULT_.*|VAULT_ID_TOKEN)$/;
  const kept = Object.entries(own).filter(([name]) => !credentials.test(name));
  return { ...Object.fromEntries(kept), ...secrets };
}
