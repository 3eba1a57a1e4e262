/** What the name of a key says about its value. */
export type Hint = 'credential' | 'description' | 'none';

const looked = 64;

/** The last word of a name that only describes: who, where, which, and never a secret by itself. */
const describing = new Set(
  `account address algorithm app arn audience branch bucket channel charset class cluster collection color comment
  country database date db description dir directory domain driver email enabled encoding endpoint engine env
  environment expires expiry family file filename folder format group host hostname id image index interval issuer
  kind label lang language level locale location login mail method mode name namespace note notes org organisation
  organization owner path platform policy port profile project protocol provider purpose queue realm region
  registry repo repository role schema scheme scope server service stage state status subject system table tag team
  tenant timeout timezone title topic tz type uri url user username version vhost zone`.split(/\s+/),
);

/** A name that ends so, or has such a word, says that its value is a secret. */
const secretWord =
  /^(?:auth|authorization|bearer|cookie|cred|creds|credential|credentials|dsn|hmac|otp|passphrase|pin|private|pw|salt|seed|signature|webhook)$|(?:pass|password|passwd|pwd|secret|token|key|keys|secrets|tokens|passwords)$/;

/** Read from its words: `dbPassword`, `DB_PASSWORD` and `db.password` are one name. The last word counts most. */
export function hintOf(name: string): Hint {
  const words = wordsOf(name);
  const last = words.at(-1);
  if (last === undefined) return 'none';
  if (describing.has(last)) return 'description';
  return words.some((word) => secretWord.test(word)) ? 'credential' : 'none';
}

export function wordsOf(name: string): string[] {
  return name
    .slice(-looked)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}
