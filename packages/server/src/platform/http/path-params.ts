import { Fault } from '@sallyport/formats';

/**
 * Names from the path go into paths of policies (`projects/<project>/…`), and the router decodes `%2F`. A name that
 * smuggles in a slash or `..` would be judged as one path and used as another, so it is refused before anything
 * looks at it. Only the wildcard may hold slashes.
 */
export function checkPathParams(params: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(params)) {
    const segments = name === '*' ? value.split('/') : [value];
    const inner = name === '*' ? segments.slice(0, -1) : segments;
    const bad =
      segments.some((segment) => segment === '.' || segment === '..' || /[/\\\p{Cc}]/u.test(segment)) ||
      inner.some((segment) => segment === '');
    if (bad) {
      throw new Fault(
        'invalid',
        'http.path',
        `expected a plain name in the path for '${name === '*' ? 'path' : name}'`,
        {
          hint: "names in a path hold no '/', no '..' and no control characters",
        },
      );
    }
  }
}
