import { describe, expect, it } from 'vitest';
import { signAws } from './aws-signature.ts';
import vectors from './vectors/aws-signature.json' with { type: 'json' };

const example = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

describe('AWS signatures', () => {
  it.each(vectors)('are those of the vector $name', ({ authorization, date, token, ...vector }) => {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(vector.headers))
      if (value !== undefined) headers[name] = value;
    const credentials = { ...example, ...(token === null ? {} : { sessionToken: token }) };

    const signed = signAws({ ...vector, headers }, vector, credentials, new Date('2015-08-30T12:36:00Z'));

    expect(signed['authorization']).toBe(authorization);
    expect(signed['x-amz-date']).toBe(date);
  });

  it('never carry the secret key', () => {
    const request = { method: 'POST', url: 'https://kms.us-east-1.amazonaws.com/', headers: {}, body: '{}' };
    const signed = signAws(request, { region: 'us-east-1', service: 'kms' }, example, new Date(0));

    expect(JSON.stringify(signed)).not.toContain(example.secretAccessKey);
  });
});
