/** One line of a chart: values over time, in the unit the title names. */
export type Series = { readonly title: string; readonly values: readonly number[] };

const WIDTH = 760;
const PANEL = 110;
const LEFT = 60;
const RIGHT = 20;

/** A panel for each series, one below the other, all over the same `minutes`; the third and fourth quarter are shaded apart. */
export function renderSoakChart(series: readonly Series[], minutes: number): string {
  const parts = series.map(({ title, values }, n) => renderPanel(title, values, 30 + n * (PANEL + 34)));
  const height = 30 + series.length * (PANEL + 34) + 20;
  const labels = [0, 1, 2, 3, 4].map(
    (quarter) =>
      `<text x="${xOf(quarter / 4)}" y="${height - 12}" text-anchor="middle">${((minutes * quarter) / 4).toFixed(minutes < 8 ? 1 : 0)} min</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<style>.title{font-weight:bold}text{fill:#0f172a}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
${[...parts, ...labels].join('\n')}
</svg>
`;
}

function renderPanel(title: string, values: readonly number[], top: number): string {
  const highest = Math.max(...values, 1) * 1.1;
  const points = values.map((value, n) => {
    const x = xOf(values.length === 1 ? 0 : n / (values.length - 1));
    return `${x.toFixed(1)},${(top + PANEL - (value / highest) * PANEL).toFixed(1)}`;
  });
  const quarters = [1, 2, 3].map(
    (quarter) => `<line x1="${xOf(quarter / 4)}" x2="${xOf(quarter / 4)}" y1="${top}" y2="${top + PANEL}" stroke="#e2e8f0"/>`,
  );
  return [
    `<text x="${LEFT}" y="${top - 6}" class="title">${title}</text>`,
    `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL}" fill="#f8fafc"/>`,
    ...quarters,
    `<text x="${LEFT - 6}" y="${top + 10}" text-anchor="end">${highest.toFixed(highest < 10 ? 1 : 0)}</text>`,
    `<text x="${LEFT - 6}" y="${top + PANEL}" text-anchor="end">0</text>`,
    `<polyline points="${points.join(' ')}" fill="none" stroke="#2563eb" stroke-width="1.5"/>`,
  ].join('\n');
}

function xOf(share: number): number {
  return LEFT + share * (WIDTH - LEFT - RIGHT);
}
