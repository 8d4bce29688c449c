/**
 * An origin as browsers send it, in small letters; null for text that is none. Pages of apps and extensions have schemes of
 * their own (`app://obsidian.md`, `capacitor://localhost`, `chrome-extension://id`), of which URL knows no origin. Not
 * taken: `null`, which every sandboxed frame of every page sends, and `*`.
 */
export function parseOrigin(text: string): string | null {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^\s/?#@\\,*]*)\/?$/i.exec(text);
  if (match === null) return null;
  const [scheme, authority] = [(match[1] as string).toLowerCase(), (match[2] as string).toLowerCase()];
  // Some web views name no host for pages from files.
  if (authority === '') return scheme === 'file' ? 'file://' : null;
  const url = toUrl(`${scheme}://${authority}`);
  if (url === null) return null;
  // Schemes of the web: the default port left out, the host in the form that goes over the wire.
  return url.origin === 'null' ? `${scheme}://${authority}` : url.origin;
}

function toUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
