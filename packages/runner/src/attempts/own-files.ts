/** Where an agent finds with whom it is about to conflict. */
export const RADAR_FILE = ".canopy/radar.md";
/** Where an agent finds what a stuck change is about. */
export const LADDER_FOLDERS: readonly string[] = [".canopy/conflict", ".canopy/repair"];
/** Where an agent that takes no images finds those of its prompts. */
export const IMAGE_FOLDER = ".canopy/images";

/** What Canopy itself puts into workspaces for an agent's eyes: no part of its work. */
export const OWN_PATHS: readonly string[] = [RADAR_FILE, ...LADDER_FOLDERS, IMAGE_FOLDER];
