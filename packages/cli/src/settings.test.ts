import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultAddress, loadSettings, saveProject, saveToken } from './settings.ts';

let home: string;
let env: Record<string, string>;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sally-settings-'));
  env = { XDG_CONFIG_HOME: join(home, 'config'), XDG_DATA_HOME: join(home, 'data') };
});
afterEach(() => rmSync(home, { recursive: true }));

const credentials = (): string => join(home, 'config', 'sallyport', 'credentials.json');

describe('settings', () => {
  it('are the local server and no token for a new user', () => {
    expect(loadSettings(env)).toMatchObject({
      address: defaultAddress,
      token: undefined,
      project: undefined,
      dataDirectory: join(home, 'data', 'sallyport'),
    });
  });

  it('remember the token of each server, and the last one as current', () => {
    saveToken(loadSettings(env), 'http://one', 'sp_1');
    saveToken(loadSettings(env), 'http://two', 'sp_2');
    saveProject(loadSettings(env), 'orders');

    expect(loadSettings(env)).toMatchObject({ address: 'http://two', token: 'sp_2', project: 'orders' });
    expect(loadSettings(env, 'http://one').token).toBe('sp_1');
  });

  it('never send the token of one server to another', () => {
    saveToken(loadSettings(env), 'http://one', 'sp_1');

    expect(loadSettings(env, 'http://other').token).toBeUndefined();
    expect(loadSettings({ ...env, SALLYPORT_ADDR: 'http://other' }).token).toBeUndefined();
  });

  it('prefer the flag to the environment, and the environment to the file', () => {
    saveToken(loadSettings(env), 'http://file', 'sp_file');
    const set = { ...env, SALLYPORT_ADDR: 'http://env', SALLYPORT_TOKEN: 'sp_env' };

    expect(loadSettings(set)).toMatchObject({ address: 'http://env', token: 'sp_env' });
    expect(loadSettings(set, 'http://flag').address).toBe('http://flag');
  });

  it('are kept where only their owner can read them', () => {
    saveToken(loadSettings(env), 'http://one', 'sp_1');

    expect(statSync(credentials()).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, 'config', 'sallyport')).mode & 0o777).toBe(0o700);
    expect(readFileSync(credentials(), 'utf8')).toContain('sp_1');
  });

  it.each(['', '{', '[]', '{"tokens":{"a":"b"},"tokens":{}}', '{"current":"x"}'])(
    'that are broken (%j) are said to be, and not overwritten',
    (text) => {
      mkdirSync(join(home, 'config', 'sallyport'), { recursive: true });
      writeFileSync(credentials(), text);

      expect(() => loadSettings(env)).toThrow();
      expect(readFileSync(credentials(), 'utf8')).toBe(text);
    },
  );

  it('pass over a token that is no text', () => {
    mkdirSync(join(home, 'config', 'sallyport'), { recursive: true });
    writeFileSync(credentials(), '{"current":"http://x","tokens":{"http://x":7}}');

    expect(loadSettings(env).token).toBeUndefined();
  });
});
