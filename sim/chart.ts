import { STRATEGIES, type Strategy } from './pool.ts';
import type { GroupResult } from './report.ts';
import type { Result } from './run.ts';

const WIDTH = 760;
const LEFT = 48;
const PLOT = 180;
const COLORS: Readonly<Record<Strategy, string>> = { 'round-robin': '#94a3b8', sticky: '#38bdf8', quota: '#2563eb' };

/** Bars of the demand served and of the cached input, by scenario and strategy, for the first two groups. */
export function renderChart(groups: readonly GroupResult[]): string {
  const parts: string[] = [];
  let y = 56;
  for (const group of groups.slice(0, 2)) {
    parts.push(plot(group, y, 'Demand served', (result) => result.servedShare));
    y += PLOT + 70;
  }
  const [pools] = groups;
  if (pools !== undefined) {
    parts.push(
      plot(
        pools,
        y,
        'Input tokens read from the cache, of what one unlimited account would have',
        (result, ideal) => result.cacheShare / ideal,
      ),
    );
    y += PLOT + 50;
  }
  const legend = STRATEGIES.map(
    (name, n) =>
      `<rect x="${LEFT + n * 110}" y="10" width="12" height="12" fill="${COLORS[name]}"/><text x="${LEFT + 18 + n * 110}" y="20">${name}</text>`,
  ).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="12">
<style>text{fill:#0f172a}.title{font-weight:bold}.axis{stroke:#cbd5e1}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
${legend}
${parts.join('\n')}
</svg>
`;
}

function plot(group: GroupResult, top: number, title: string, value: (result: Result, ideal: number) => number): string {
  const parts = [`<text x="${LEFT}" y="${top - 8}" class="title">${title}. ${group.title}</text>`];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const y = top + PLOT * (1 - share);
    parts.push(
      `<line x1="${LEFT}" y1="${y}" x2="${WIDTH - 10}" y2="${y}" class="axis"/>`,
      `<text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${100 * share} %</text>`,
    );
  }
  const step = (WIDTH - LEFT - 10) / group.rows.length;
  const bar = Math.min(36, (step - 24) / STRATEGIES.length);
  for (const [n, row] of group.rows.entries()) {
    const x = LEFT + n * step + (step - bar * STRATEGIES.length) / 2;
    for (const [m, result] of row.results.entries()) {
      const share = value(result, row.idealCacheShare);
      const height = PLOT * Math.min(1, share);
      const left = (x + m * bar).toFixed(1);
      parts.push(
        `<rect x="${left}" y="${(top + PLOT - height).toFixed(1)}" width="${(bar - 3).toFixed(1)}" height="${height.toFixed(1)}" fill="${COLORS[result.strategy]}"/>`,
        `<text x="${(x + m * bar + (bar - 3) / 2).toFixed(1)}" y="${(top + PLOT - height - 3).toFixed(1)}" text-anchor="middle" font-size="9">${(100 * share).toFixed(1)}</text>`,
      );
    }
    parts.push(
      `<text x="${(LEFT + (n + 0.5) * step).toFixed(1)}" y="${top + PLOT + 16}" text-anchor="middle">${row.name}</text>`,
    );
  }
  return parts.join('\n');
}
