import type { Field } from '../ui/panel.ts';
import type { Style } from '../ui/style.ts';

/** What points a client at the proxy, the shortest way first; `url` is null while its port is unknown. A token is never printed. */
export function clientFields(url: string | null, hasToken: boolean, style: Style): readonly Field[] {
  return [
    { name: 'Kimi CLI', value: { text: 'kmi kimi', paint: style.accent } },
    { name: 'others', value: { text: 'kmi run -- claude', paint: style.accent } },
    { name: 'this shell', value: 'eval "$(kmi env)"' },
    ...(url === null
      ? []
      : [{ name: 'by hand', value: `KIMI_BASE_URL=${url} KIMI_API_KEY=${hasToken ? '<your proxy token>' : 'kmi'}` }]),
  ];
}
