import { SecretBytes } from '@sallyport/formats';
import type { Call, Records, Reply } from '../../backend.ts';
import { type KubernetesConfig, parseKubernetesConfig } from '../../credentials/kubernetes/config.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { createFields, type JsonObject } from '../../fields.ts';
import { jsonCodec } from '../../records.ts';
import { readSettings } from '../method/settings.ts';
import { configSettings } from './settings.ts';

const path = 'config';
const codec = jsonCodec<JsonObject>(true);
/** Apart from the rest, which stays in memory in the clear. */
const reviewerPath = 'config-reviewer';

const parsed = new WeakMap<JsonObject, KubernetesConfig>();

/** The configuration without the reviewer's token. */
export function requireConfig(store: Records): KubernetesConfig {
  const settings = store.read(path, codec);
  if (settings === undefined) throw badRequest('could not load backend configuration');
  let config = parsed.get(settings);
  if (config === undefined) {
    config = parseKubernetesConfig(createFields(settings));
    parsed.set(settings, config);
  }
  return config;
}

/** The configuration with the reviewer's token, which the caller wipes. */
export function requireReviewConfig(store: Records): KubernetesConfig {
  const config = requireConfig(store);
  const reviewer = store.get(reviewerPath);
  if (reviewer === undefined) return config;
  try {
    return { ...config, reviewer: SecretBytes.from(reviewer) };
  } finally {
    reviewer.fill(0);
  }
}

/** As in Vault, the whole configuration is written at once: a reviewer that is not given again is gone. */
export function writeConfig({ store, fields }: Call): Reply {
  const settings = readSettings(configSettings, fields);
  parseKubernetesConfig(createFields(settings));
  const reviewer = fields.text('token_reviewer_jwt');
  store.write(path, codec, settings);
  if (reviewer === '') store.delete(reviewerPath);
  else store.put(reviewerPath, Buffer.from(reviewer));
  return {};
}

export function readConfig({ store }: Call): Reply {
  const settings = store.read(path, codec);
  if (settings === undefined) throw nothingHere();
  return { data: { ...settings, token_reviewer_jwt_set: store.has(reviewerPath) } };
}
