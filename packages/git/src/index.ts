/** Filled by this package's first slice. */
export const PACKAGE = "@canopy/git";
