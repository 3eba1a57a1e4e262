import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

// The only time that may reach the output is the commit's: two builds of one commit give the same bytes.
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? '0');
const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
cpSync('src', 'dist', { recursive: true });
writeFileSync('dist/package.json', '{ "type": "module" }\n');
writeFileSync(
  'dist/build-info.json',
  `${JSON.stringify({ name, version, builtFrom: new Date(epoch * 1000).toISOString() })}\n`,
);
console.log(`built ${name} ${version} into dist/`);
