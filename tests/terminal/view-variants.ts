import { createStyle, type Style } from '../../src/cli/ui/style.ts';

/** Widths and styles every view is looked at in. */
export const VARIANTS: readonly (readonly [name: string, view: { readonly width: number; readonly style: Style }])[] = [
  60, 80, 120,
].flatMap((width) => [
  [`${width} columns, plain`, { width, style: createStyle({ color: false, plain: true }) }] as const,
  [`${width} columns, coloured`, { width, style: createStyle({ color: true, plain: false }) }] as const,
]);
