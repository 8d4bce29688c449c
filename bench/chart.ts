type Row = Record<string, string | number>;

const WIDTH = 760;
const BAR = 18;
const LABEL = 150;
const COLORS: Readonly<Record<string, string>> = {
  kmi: '#2563eb',
  bare: '#64748b',
  nginx: '#94a3b8',
  '@fastify/http-proxy': '#cbd5e1',
};

/** Bars of CPU per request relative to the bare pass-through, a group per scenario; shorter is better. */
export function renderChart(report: Readonly<Record<string, readonly Row[]>>): string {
  const groups = Object.entries(report)
    .map(([title, rows]) => ({
      title,
      bars: rows.filter((row) => typeof row['cpu vs bare'] === 'number' && row.subject !== 'direct'),
    }))
    .filter(({ bars }) => bars.length > 0);
  const longest = Math.max(...groups.flatMap(({ bars }) => bars.map((row) => Number(row['cpu vs bare']))), 1);
  const parts: string[] = [];
  let y = 40;
  for (const { title, bars } of groups) {
    parts.push(`<text x="10" y="${y}" class="title">${escapeXml(title)}</text>`);
    y += 10;
    for (const row of bars) {
      const value = Number(row['cpu vs bare']);
      const width = Math.max(1, (value / longest) * (WIDTH - LABEL - 80));
      const name = String(row.subject);
      parts.push(
        `<text x="${LABEL - 8}" y="${y + BAR - 5}" text-anchor="end">${escapeXml(name)}</text>`,
        `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 4}" fill="${COLORS[name] ?? '#e2e8f0'}"/>`,
        `<text x="${LABEL + width + 6}" y="${y + BAR - 5}">${value.toFixed(2)}</text>`,
      );
      y += BAR;
    }
    y += 24;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="12">
<style>.title{font-weight:bold}text{fill:#0f172a}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="10" y="18" class="title">Processor time per request, bare node:http + undici pass-through = 1.00 (shorter is better)</text>
${parts.join('\n')}
</svg>
`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
