import { writeFileSync } from 'node:fs';
import { definitionSchemaText } from './schema.ts';

// Run from anywhere: node packages/contract/src/definition/write-schema.ts
writeFileSync(new URL('../../../../docs/sallyport.schema.json', import.meta.url), definitionSchemaText());
