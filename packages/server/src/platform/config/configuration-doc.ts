import { optionTypes } from './option-types.ts';
import { envName, fileKey, flagName, type Option, optionList } from './options.ts';

/** docs/configuration.md, made from the table of options; a check fails when the file is another. */
export function configurationDoc(): string {
  const sections = optionList.map(([name, option]) => {
    const flag = option.secret === true ? 'none, it is secret' : `\`--${flagName(name)}\``;
    return [
      `## ${fileKey(name)}`,
      '',
      option.doc,
      '',
      `- value: ${optionTypes[option.type].expected}`,
      `- default: ${defaultText(option)}`,
      `- environment: \`${envName(name, option)}\``,
      `- flag: ${flag}`,
      '',
    ].join('\n');
  });
  return `${head}\n${sections.join('\n')}`;
}

function defaultText(option: Option): string {
  if (option.default === undefined) return 'none';
  return typeof option.default === 'string' ? `\`${option.default}\`` : option.default.text;
}

const head = `# Configuration

Made from \`packages/server/src/platform/config/options.ts\` by \`node tools/documents.mjs\`; do not edit.

A flag beats the environment, which beats the file, which beats the default. The file is YAML, one option per line, and
is named by \`--config\` or \`SALLYPORT_CONFIG\`. \`sally config\` prints every option with its value and its source. There is
no default for any key, password or token.
`;
