/** Filled by this app's first slice. */
export const PACKAGE = "@canopy/cli";
