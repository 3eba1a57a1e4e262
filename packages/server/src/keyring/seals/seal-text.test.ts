import { describe, expect, it } from 'vitest';
import { parseSeal } from './seal-text.ts';

describe('a seal in the configuration', () => {
  it('is a kind with its settings', () => {
    expect(parseSeal('file', '/k')).toEqual({ kind: 'file', path: '/k' });
    expect(parseSeal('shamir', '/k')).toEqual({ kind: 'shamir' });
    expect(parseSeal('awskms?region=eu-west-1&key_id=alias%2Fsally', '/k')).toEqual({
      kind: 'awskms',
      region: 'eu-west-1',
      keyId: 'alias/sally',
    });
    expect(parseSeal('transit?address=https://v:8200&key=k&token_file=/t', '/k')).toEqual({
      kind: 'transit',
      address: 'https://v:8200',
      key: 'k',
      tokenFile: '/t',
    });
  });

  it.each([
    '',
    'Shamir',
    '__proto__',
    'shamir?shares=5',
    'awskms?region=eu-west-1',
    'awskms?region=eu-west-1&key_id=',
    'awskms?region=a&region=b&key_id=c',
    'awskms?region=a&key_id=c&secret_key=d',
    'pkcs11?library=l&token_label=t&key_label=k&mechanism=des',
  ])('%j is refused', (text) => {
    expect(() => parseSeal(text, '/k')).toThrow(expect.objectContaining({ code: 'keyring.seal_text' }));
  });
});
