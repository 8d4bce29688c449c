/** Where "now" comes from: `Date.now` in the product, a fixed or moving value in tests and simulations. Epoch ms. */
export type Clock = () => number;
