/**
 * Certificates issued per second through HTTP, with everything that belongs to one: the token verified, the proof
 * checked, the entry durable in the log, the timestamp and the certificate signed. Clients and server share the cores.
 *
 *   node bench/certificates.ts
 *   DATABASE_URL=… node bench/certificates.ts   on PostgreSQL, in a database of its own
 */
import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@sallyport/sdk';
import { compose } from '../packages/server/src/app/compose.ts';
import { loadConfig } from '../packages/server/src/platform/index.ts';
import { silentLog } from '../packages/server/test-support/fakes.ts';
import { githubClaims, openOidcIssuer } from '../packages/server/test-support/oidc-issuer.ts';

const goal = 500;
const seconds = 10;
const connections = 64;

const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
const { config } = await loadConfig({
  env: { DATABASE_URL: process.env['DATABASE_URL'] },
  flags: { 'data-directory': join(directory, 'data'), 'listen-port': '0' },
  cwd: directory,
});
const sallyport = await compose(config, silentLog, () => undefined);
const { url, bootstrapToken } = await sallyport.start({ localAgent: false });
const issuer = await openOidcIssuer(() => new Date());
try {
  const { issued } = await createClient({ address: url }).transport.json<{ issued: { token: string } }>(
    'POST',
    '/api/identity/login',
    { body: { token: bootstrapToken, name: 'Ada', email: 'ada@example.com' } },
  );
  await createClient({ address: url, token: issued.token }).federation.add({
    name: 'bench',
    kind: 'github',
    issuer: issuer.url,
    audience: 'sigstore',
    claims: { repository_id: githubClaims.repository_id, ref: githubClaims.ref },
  });
  await run(1, 200);
  const { perSecond, p50, p99, sample } = await run(seconds, connections);
  new X509Certificate(sample);
  console.table([
    { 'issued/s': perSecond, 'p50 ms': p50, 'p99 ms': p99, 'of the goal': (perSecond / goal).toFixed(2) },
  ]);
} finally {
  await issuer.close();
  await sallyport.stop();
  await rm(directory, { recursive: true, force: true });
}

async function run(forSeconds: number, clients: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const latencies: number[] = [];
  let sample = '';
  const began = performance.now();
  const until = began + forSeconds * 1000;
  const loop = async (): Promise<void> => {
    // One key and one token per client, as a job has that signs many things; both are verified each time.
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const proof = sign('sha256', Buffer.from(githubClaims.sub), privateKey).toString('base64');
    const body = JSON.stringify({
      credentials: { oidcIdentityToken: issuer.token(githubClaims) },
      publicKeyRequest: {
        publicKey: { algorithm: 'ECDSA', content: publicKey.export({ type: 'spki', format: 'pem' }) },
        proofOfPossession: proof,
      },
    });
    while (performance.now() < until) {
      const sentAt = performance.now();
      const answer = await post(agent, body);
      latencies.push(performance.now() - sentAt);
      sample = answer;
    }
  };
  await Promise.all(Array.from({ length: clients }, loop));
  const elapsed = (performance.now() - began) / 1000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const at = (part: number) => Math.round(latencies[Math.floor(latencies.length * part)] ?? 0);
  const { signedCertificateEmbeddedSct } = JSON.parse(sample);
  return {
    perSecond: Math.round(latencies.length / elapsed),
    p50: at(0.5),
    p99: at(0.99),
    sample: String(signedCertificateEmbeddedSct.chain.certificates[0]),
  };
}

function post(agent: Agent, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = request(`${url}/api/v2/signingCert`, { method: 'POST', agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode === 200) resolve(text);
        else
          reject(new Error(`expected a certificate, got status ${answer.statusCode}: ${text.slice(0, 300)}`));
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
