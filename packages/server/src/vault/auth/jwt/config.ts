import { isFault } from '@sallyport/formats';
import { type Call, type Handler, prepared, type Records, type Reply } from '../../backend.ts';
import { type JwtConfig, parseJwtConfig } from '../../credentials/jwt/config.ts';
import type { KeySets } from '../../credentials/jwt/key-sets.ts';
import { invalidSetting } from '../../credentials/login.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { createFields, type JsonObject } from '../../fields.ts';
import { jsonCodec } from '../../records.ts';
import { readSettings } from '../method/settings.ts';
import { configSettings } from './settings.ts';

const path = 'config';
const codec = jsonCodec<JsonObject>(true);
/** Apart from the rest, which stays in memory in the clear. */
const secretPath = 'config-client-secret';

const parsed = new WeakMap<JsonObject, JwtConfig>();

/** The configuration for checking tokens: without the client. */
export function requireConfig(store: Records): JwtConfig {
  const settings = store.read(path, codec);
  if (settings === undefined) throw badRequest('could not load configuration');
  let config = parsed.get(settings);
  if (config === undefined) {
    config = parse({ ...settings, oidc_client_id: '' }, '');
    parsed.set(settings, config);
  }
  return config;
}

/** The configuration with the client, if it has one; the caller wipes its secret. */
export function requireClientConfig(store: Records): JwtConfig {
  const settings = store.read(path, codec);
  if (settings === undefined) throw badRequest('could not load configuration');
  const secret = store.get(secretPath);
  try {
    return parse(settings, secret?.toString('utf8') ?? '');
  } finally {
    secret?.fill(0);
  }
}

/** As in Vault, the whole configuration is written at once, and its source of keys is asked before it is believed. */
export function writeConfig(keySets: KeySets): Handler {
  return prepared<undefined>({
    async prepare(call) {
      const config = read(call).config;
      config.client?.secret.wipe();
      if (call.fields.boolean('skip_jwks_validation', false)) return;
      try {
        await keySets.keys(config);
      } catch (error) {
        if (!isFault(error)) throw error;
        const what = config.source.kind === 'discovery' ? 'oidc discovery URL' : 'jwks URL';
        throw badRequest(`error checking ${what}: ${error.message}`);
      }
    },
    decide(call): Reply {
      const { settings, secret, config } = read(call);
      config.client?.secret.wipe();
      call.store.write(path, codec, settings);
      if (secret === '') call.store.delete(secretPath);
      else call.store.put(secretPath, Buffer.from(secret));
      return {};
    },
  });
}

export function readConfig({ store }: Call): Reply {
  const settings = store.read(path, codec);
  if (settings === undefined) throw nothingHere();
  return { data: settings };
}

function read({ fields }: Call) {
  const settings = readSettings(configSettings, fields);
  const secret = fields.text('oidc_client_secret');
  // To ignore what is set would be another login than the operator thinks.
  const { oidc_response_mode: mode, oidc_response_types: types, provider_config: provider } = settings;
  if (mode !== '' && mode !== 'query') throw invalidSetting("expected 'oidc_response_mode' as query");
  if (!(types as readonly string[]).every((type) => type === 'code'))
    throw invalidSetting("expected 'oidc_response_types' as code");
  if (Object.keys(provider as JsonObject).length > 0)
    throw invalidSetting("'provider_config' is not supported, expected it to be empty");
  return { settings, secret, config: parse(settings, secret) };
}

function parse(settings: JsonObject, clientSecret: string): JwtConfig {
  return parseJwtConfig(createFields({ ...settings, oidc_client_secret: clientSecret }));
}
