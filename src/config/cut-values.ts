/**
 * Names of kmi's variables whose value an env file cuts at a `#` that was meant as part of it: `KMI_PROXY_TOKEN=abc#def`. A `#`
 * after a blank, or after a value in quotes, begins a comment. `values` is what the text was read as.
 */
export function cutNames(text: string, values: Readonly<Record<string, string>>): readonly string[] {
  if (!text.includes('#')) return [];
  const cut = new Map<string, boolean>();
  for (const line of text.split(/\r\n|[\n\r]/)) {
    const [, name = '', value = ''] = /^\s*(?:export\s+)?(KMI_\w+)\s*(?:=|:(?=\s))(.*)$/i.exec(line) ?? [];
    if (name !== '' && Object.hasOwn(values, name)) cut.set(name, isCut(value, values[name] ?? ''));
  }
  return [...cut].flatMap(([name, isSo]) => (isSo ? [name] : []));
}

function isCut(written: string, read: string): boolean {
  const hash = written.indexOf('#');
  if (hash === -1) return false;
  const head = written.slice(0, hash);
  const isGlued = head === '' ? /^#\w/.test(written) : /\S$/.test(head);
  // Of a value in quotes, more is read than what stands before the #, or its quotes are gone.
  return isGlued && head.trim() === read.trim();
}
