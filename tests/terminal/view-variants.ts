import { createStyle, type Style } from '../../src/cli/ui/style.ts';

type Variant = readonly [name: string, view: { readonly width: number; readonly style: Style }];

/** Widths and styles every view is looked at in. */
export const VARIANTS: readonly Variant[] = variantsOf([60, 80, 120]);

function variantsOf(widths: readonly number[]): Variant[] {
  return widths.flatMap((width): Variant[] => [
    [`${width} columns, plain`, { width, style: createStyle({ color: false, plain: true }) }] as const,
    [`${width} columns, coloured`, { width, style: createStyle({ color: true, plain: false }) }] as const,
  ]);
}
