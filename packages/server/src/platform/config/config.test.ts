import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { optionList } from './options.ts';
import { sourcesOf } from './sources.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

const none = { env: {}, flags: {}, cwd: '/srv' };

async function file(text: string, mode = 0o600): Promise<string> {
  const path = join(directory, 'sallyport-config.yaml');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

describe('loadConfig', () => {
  it('has a default for everything that is not secret, and paths below the data directory', async () => {
    const { config } = await loadConfig({ ...none, flags: { 'data-directory': 'd' } });

    expect(config).toMatchObject({
      dataDirectory: '/srv/d',
      registryDirectory: '/srv/d/registry',
      keyFile: '/srv/d/root.key',
      publicUrl: 'http://127.0.0.1:7270',
      ledgerOrigin: 'sallyport.localhost',
      uploadLimit: 10 * 2 ** 30,
      databaseUrl: undefined,
    });
  });

  it('turns the public URL to https with TLS', async () => {
    const { config } = await loadConfig({
      ...none,
      flags: { 'tls-cert-file': 'c.pem', 'tls-key-file': '/k/k.pem', 'listen-host': '::1' },
    });

    expect(config).toMatchObject({
      tlsCertFile: '/srv/c.pem',
      tlsKeyFile: '/k/k.pem',
      tlsClientCaFile: undefined,
      publicUrl: 'https://[::1]:7270',
    });
  });

  it.each([
    [{ 'tls-cert-file': 'c' }],
    [{ 'tls-key-file': 'k' }],
    [{ 'tls-client-ca-file': 'a' }],
    [{ 'tls-cert-file': 'c', 'tls-client-ca-file': 'a' }],
  ])('refuses half of TLS: %j', async (flags) => {
    await expect(loadConfig({ ...none, flags })).rejects.toMatchObject({ code: 'config.tls' });
  });

  it('has no default for a secret', () => {
    const secrets = optionList.filter(([, option]) => option.secret === true);

    expect(secrets.map(([name]) => name)).toEqual(['databaseUrl', 'devRootToken']);
    expect(secrets.every(([, option]) => option.default === undefined)).toBe(true);
  });

  it('takes a flag before the environment before the file, and remembers which', async () => {
    const path = await file('listen_port: 1\nlog_level: warn\ninstallation: acme\n');
    const env = { SALLYPORT_LISTEN_PORT: '2', SALLYPORT_LOG_LEVEL: 'error', SALLYPORT_INSTALLATION: '' };

    const { config, describe } = await loadConfig({
      ...none,
      file: path,
      env,
      flags: { 'listen-port': '3' },
    });

    expect([config.listenPort, config.logLevel, config.installation]).toEqual([3, 'error', 'acme']);
    const source = (name: string) => describe().find((option) => option.name === name)?.source;
    expect(source('listen_port')).toBe('flag --listen-port');
    expect(source('log_level')).toBe('env SALLYPORT_LOG_LEVEL');
    expect(source('installation')).toBe(`file ${path}:3`);
    expect(source('listen_host')).toBe('default');
  });

  it('keeps the database URL as a secret and masks it when shown', async () => {
    const loaded = await loadConfig({ ...none, env: { DATABASE_URL: 'postgres://u:hunter2@db/x' } });

    expect(loaded.config.databaseUrl).toBeInstanceOf(SecretBytes);
    expect(loaded.config.databaseUrl?.exposeUtf8()).toBe('postgres://u:hunter2@db/x');
    expect(JSON.stringify([loaded.describe(), loaded.config])).not.toContain('hunter2');
  });

  it.each([
    ['listen_port: high', ":1: 'listen_port' expected a whole number from 0 to 65535, got 'high'"],
    ['\nlisten_port: 65536', ":2: 'listen_port' expected"],
    ['listen_port: 0x10', "got '0x10'"],
    ['public_url: ftp://x', 'expected an http or https URL'],
    ['public_url: https://u:p@x', 'expected an http or https URL'],
    ['ledger_origin: https://log', 'a bare host name'],
    ['upload_limit: 10 GB', 'a size such as'],
    ['listen_prot: 1', "got 'listen_prot'"],
    ['listen_port: [1]', 'expected one value'],
    ['listen_port:', 'expected one value'],
    ['- listen_port', 'a map of options'],
    ['listen_port: 1\nlisten_port: 2', 'duplicate key'],
    ['listen_port: "', 'expected YAML'],
    ['listen_port: *a', 'expected'],
    ['? {a: b}\n: c', 'expected a known option'],
  ])('refuses %j and says file, key and what was expected', async (text, message) => {
    const path = await file(text);

    const error = await loadConfig({ ...none, file: path }).catch((e: unknown) => e);

    expect(error).toMatchObject({ kind: 'invalid', message: expect.stringContaining(message) });
    expect(error).toMatchObject({ message: expect.stringContaining(path) });
  });

  it('takes lists and maps from the file, from JSON and from commas', async () => {
    const path = await file(
      [
        'audit_devices:',
        '  - path: file/',
        '    type: file',
        '    options: {file_path: /var/log/a.log, mode: 0600, required: true}',
        'audit_webhook_keys: {siem: k.key}',
      ].join('\n'),
    );
    const env = {
      SALLYPORT_AUDIT_API_DIRECTORIES: '/var/log/a, stdout',
      SALLYPORT_AUDIT_API_ADDRESSES: '["tcp:127.0.0.1:1"]',
    };

    const { config, describe } = await loadConfig({ ...none, file: path, env });

    expect(config.auditDevices).toEqual([
      {
        path: 'file/',
        type: 'file',
        description: '',
        options: { file_path: '/var/log/a.log', mode: '600', required: 'true' },
      },
    ]);
    expect(config.auditWebhookKeys).toEqual({ siem: '/srv/k.key' });
    expect([config.auditApiDirectories, config.auditApiAddresses]).toEqual([
      ['/var/log/a', 'stdout'],
      ['tcp:127.0.0.1:1'],
    ]);
    const shown = describe().find(({ name }) => name === 'audit_devices')?.value;
    expect(JSON.parse(shown ?? '')).toEqual(config.auditDevices);
  });

  it.each([
    ['audit_devices: {path: a}', 'a list of {path'],
    ['audit_devices: [{path: a}]', 'a list of {path'],
    ['audit_devices: [{path: a, type: file, more: 1}]', 'a list of {path'],
    ['audit_devices: [{path: a, type: file, options: {a: [1]}}]', 'a list of {path'],
    ['audit_devices: &a [*a]', 'without aliases'],
    ['audit_webhook_keys: {a: ""}', 'a map of names to paths'],
    ['audit_api_directories: [1]', 'a list of texts'],
    ['audit_api_directories: [""]', 'a list of texts'],
    [`audit_api_directories: [${'a,'.repeat(101)}]`, 'a list of texts'],
    ['listen_host: [a]', 'expected one value'],
  ])('refuses %j', async (text, message) => {
    const path = await file(text);

    await expect(loadConfig({ ...none, file: path })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(message),
    });
  });

  it('suggests the option that was meant', async () => {
    const path = await file('listen: 1');

    await expect(loadConfig({ ...none, file: path })).rejects.toMatchObject({
      hint: "did you mean 'listen_host'?",
    });
  });

  it('refuses a secret as a flag, and in a file that others can read', async () => {
    const path = await file('database_url: postgres://u:hunter2@db/x', 0o640);

    await expect(loadConfig({ ...none, flags: { 'database-url': 'postgres://x' } })).rejects.toMatchObject({
      code: 'config.secret_flag',
    });
    await expect(loadConfig({ ...none, file: path })).rejects.toMatchObject({ code: 'config.open_secret' });
    await chmod(path, 0o600);
    await expect(loadConfig({ ...none, file: path })).resolves.toBeDefined();
  });

  it('does not repeat a malformed secret', async () => {
    const error = await loadConfig({ ...none, env: { DATABASE_URL: 'hunter2' } }).catch((e: unknown) => e);

    expect(error).toMatchObject({ message: expect.stringContaining('env DATABASE_URL') });
    expect(JSON.stringify(error) + String(error)).not.toContain('hunter2');
  });

  it.each([
    ['nope', undefined],
    [undefined, 'x'],
  ])('refuses an unknown flag and a missing file', async (flag, missing) => {
    const load = loadConfig({
      ...none,
      flags: flag === undefined ? {} : { [flag]: '1' },
      ...(missing === undefined ? {} : { file: join(directory, missing) }),
    });

    await expect(load).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe('sourcesOf', () => {
  it('takes flags and the name of the file from the command line', () => {
    expect(sourcesOf(['--listen-port', '1', '--config=x.yaml'], { A: 'b' })).toEqual({
      file: 'x.yaml',
      flags: { 'listen-port': '1' },
      env: { A: 'b' },
      cwd: process.cwd(),
    });
    expect(sourcesOf([], { SALLYPORT_CONFIG: 'y.yaml' }).file).toBe('y.yaml');
  });

  it.each([[['--nope', '1']], [['--listen-port']], [['stray']]])('refuses %j', (argv) => {
    expect(() => sourcesOf(argv, {})).toThrow(expect.objectContaining({ code: 'config.arguments' }));
  });
});
